//! The examples of examples/, run as their README says, against one installation.
//!
//! What they need is fetched once: Python's packages into a virtual environment (`python`); Maven
//! keeps its own. The checkout stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;
use topology::embedded::child::{ChildSpec, RunningChild};

use crate::installation::Installation;
use crate::python::interpreter;

/// What a fetch may take, over a slow line.
pub(crate) const FETCH_BOUND: Duration = Duration::from_mins(10);
/// From the start of an example to its outcome, Maven included.
const RUN_BOUND: Duration = Duration::from_mins(5);
const GRACE: Duration = Duration::from_secs(5);

/// A run that ended.
#[derive(Debug)]
pub struct Example {
    /// Whether its exit code was 0.
    pub succeeded: bool,
    /// What it printed, errors among it.
    pub output: String,
}

/// Runs a script of examples/python.
pub async fn python(installation: &Installation, script: &str, arguments: &[&str]) -> Example {
    let requirements = examples().join("python/requirements.txt");
    let interpreter = interpreter(installation, &requirements).await;
    let interpreter = interpreter.unwrap_or_else(|error| panic!("{error}"));
    let script = examples().join("python").join(script);
    let script = script.to_str().expect("a path in UTF-8");
    // Nothing is to be written beside the scripts.
    let arguments = [&["-B", script], arguments].concat();
    run(installation, "python", &interpreter, &arguments, RUN_BOUND).await
}

/// Compiles and runs the example of examples/java.
pub async fn java(installation: &Installation, arguments: &[&str]) -> Example {
    let project = examples().join("java/pom.xml");
    let target = installation.directory().join("java");
    let arguments = [
        "--quiet",
        "--batch-mode",
        "--file",
        project.to_str().expect("a path in UTF-8"),
        &format!("-Dtarget.directory={}", target.display()),
        "compile",
        "exec:java",
        &format!("-Dexec.args={}", arguments.join(" ")),
    ];
    run(installation, "mvn", Path::new("mvn"), &arguments, FETCH_BOUND).await
}

/// Runs a program in the surroundings that the README of the examples names. It ends with us.
pub async fn run(
    installation: &Installation,
    name: &'static str,
    program: &Path,
    arguments: &[&str],
    bound: Duration,
) -> Example {
    let log_file = installation.directory().join(format!("{name}.log"));
    let _ = fs::remove_file(&log_file);
    let environment = [
        ("KAFKA_BOOTSTRAP_SERVERS", installation.cluster().bootstrap_servers.clone()),
        ("SCHEMA_REGISTRY_URL", installation.cluster().registry_url.clone()),
        ("HOLDFAST_TOPIC_PREFIX", installation.prefix().to_string()),
        ("HOLDFAST_URL", installation.api_url()),
        // Else it is the directory that the tests are started in.
        ("HYPOTHESIS_STORAGE_DIRECTORY", installation.directory().display().to_string()),
    ];
    let spec = ChildSpec {
        name,
        program: program.to_owned(),
        arguments: arguments.iter().map(Into::into).collect(),
        environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
        record_directory: installation.directory().to_owned(),
        log_file: log_file.clone(),
        grace: GRACE,
    };
    let child = RunningChild::spawn(&spec);
    let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let end = timeout(bound, child.wait()).await;
    let output = fs::read_to_string(&log_file).expect("UTF-8");
    let end = end.unwrap_or_else(|_| panic!("{name} still runs after {bound:?}: {output}"));
    Example { succeeded: end == "exit code 0", output }
}

fn examples() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
    root.join("examples")
}
