//! `holdfast` as a person runs it beside an installation: of its journal, with no other settings.

use std::process::{Command, Output};

use serde_json::Value;

use crate::executable::holdfast;
use crate::installation::Installation;

impl Installation {
    /// Runs `holdfast` with these arguments, however it ends.
    pub fn holdfast(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(holdfast());
        command
            .args(arguments)
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.cluster().bootstrap_servers)
            .env("HOLDFAST_TOPIC_PREFIX", self.prefix().to_string());
        command.output().expect("it runs")
    }

    /// What it prints, which must be a success.
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.holdfast(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The objects that it prints, one a line.
    pub fn says_json(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.says(arguments);
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
