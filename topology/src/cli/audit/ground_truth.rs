//! Reads what gateways say they charged and gave back: one JSON object per line, from a URL or a
//! file.
//!
//! A last line without its line feed is one that is being written; no caller has been told of its
//! charge, so it is left out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use processors::audit::Charge;

/// What the simulator calls its file of charges, and of refunds.
const FILE_NAME: &str = "charges.jsonl";
const REFUNDS_FILE_NAME: &str = "refunds.jsonl";
/// How long a gateway may take to accept the connection.
const CONNECT_BOUND: Duration = Duration::from_secs(5);
/// How long it may be silent in the middle of its answer.
const SILENCE_BOUND: Duration = Duration::from_secs(30);
/// The longest line that can be a charge, in bytes; more means that this is no ground truth.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Where the ground truth comes from.
pub(super) struct Sources {
    pub gateway_urls: Vec<String>,
    pub files: Vec<PathBuf>,
}

impl Sources {
    /// The charges of all sources together, and the refunds if every source tells of them; none
    /// when there is no source.
    pub(super) async fn read(self) -> anyhow::Result<Option<(Vec<Charge>, Option<Vec<Charge>>)>> {
        if self.gateway_urls.is_empty() && self.files.is_empty() {
            return Ok(None);
        }
        // A file of charges says nothing of refunds; a directory, or a gateway, has both.
        let has_refunds = self.files.iter().all(|path| path.is_dir());
        let mut lines = Vec::new();
        for url in &self.gateway_urls {
            fetch(url, &mut lines).await.with_context(|| {
                format!(
                    "cannot fetch the ground truth of the gateway at {url}; is the simulator \
                     running? Without --gateway-url the journal is audited alone"
                )
            })?;
        }
        for path in self.files {
            lines = tokio::task::spawn_blocking(move || {
                load(&path, &mut lines)
                    .with_context(|| format!("cannot read ground truth from {}", path.display()))
                    .map(|()| lines)
            })
            .await
            .context("the reader of the ground truth died")??;
        }
        let (refunds, charges): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.charge.is_some());
        Ok(Some((charges, has_refunds.then_some(refunds))))
    }
}

async fn fetch(url: &str, charges: &mut Vec<Charge>) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_BOUND)
        .read_timeout(SILENCE_BOUND)
        .build()?;
    for path in ["/v1/ground-truth", "/v1/ground-truth/refunds"] {
        let endpoint = format!("{}{path}", url.trim_end_matches('/'));
        let mut response = client.get(endpoint).send().await?.error_for_status()?;
        let mut lines = Lines::default();
        while let Some(chunk) = response.chunk().await? {
            lines.take_in(&chunk, charges)?;
        }
    }
    Ok(())
}

fn load(path: &Path, charges: &mut Vec<Charge>) -> anyhow::Result<()> {
    if !path.is_dir() {
        return load_file(path, charges);
    }
    load_file(&path.join(FILE_NAME), charges)?;
    let refunds = path.join(REFUNDS_FILE_NAME);
    // A gateway that never gave anything back may have none.
    if refunds.exists() { load_file(&refunds, charges) } else { Ok(()) }
}

fn load_file(path: &Path, charges: &mut Vec<Charge>) -> anyhow::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut lines = Lines::default();
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(());
        }
        lines.take_in(block, charges)?;
        let length = block.len();
        reader.consume(length);
    }
}

/// Puts lines together from the pieces in which they come.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    number: u64,
}

impl Lines {
    fn take_in(&mut self, piece: &[u8], charges: &mut Vec<Charge>) -> anyhow::Result<()> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() > MAX_LINE_BYTES {
                bail!("line {} is too long for a charge", self.number + 1);
            }
            if let Some(line) = self.rest.strip_suffix(b"\n") {
                self.number += 1;
                let charge = serde_json::from_slice(line)
                    .with_context(|| format!("line {} is not a charge", self.number))?;
                charges.push(charge);
                self.rest.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "{\"id\":\"ch_1\",\"idempotency_key\":\"k\",\"reference\":\"p\",\
        \"attempt_id\":\"k\",\"amount\":5,\"currency\":\"USD\",\"status\":\"declined\",\
        \"decline_code\":\"stolen_card\",\"created\":7}\n";

    #[test]
    fn lines_come_in_pieces_and_a_torn_end_is_left_out() {
        let text = format!("{LINE}{LINE}{{\"id\":");
        for size in [1, 7, 64, text.len()] {
            let (mut lines, mut charges) = (Lines::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                lines.take_in(piece, &mut charges).expect("charges");
            }
            assert_eq!(charges.len(), 2, "in pieces of {size}");
            assert_eq!((charges[1].amount, charges[1].created), (5, 7));
        }
    }

    #[test]
    fn what_is_no_charge_is_named_by_its_line() {
        let (mut lines, mut charges) = (Lines::default(), Vec::new());
        let error = lines.take_in(format!("{LINE}nonsense\n").as_bytes(), &mut charges);
        assert_eq!(error.expect_err("not a charge").to_string(), "line 2 is not a charge");
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(Lines::default().take_in(&endless, &mut charges).is_err());
    }

    #[tokio::test]
    async fn a_state_directory_stands_for_its_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(FILE_NAME), LINE).expect("written");
        let read = |files| Sources { gateway_urls: Vec::new(), files }.read();
        let (charges, refunds) =
            read(vec![directory.path().to_owned()]).await.expect("readable").expect("a source");
        assert_eq!((charges.len(), refunds.map(|refunds| refunds.len())), (1, Some(0)));
        let refund = LINE.replace("{\"id\":\"ch_1\"", "{\"id\":\"re_1\",\"charge\":\"ch_1\"");
        std::fs::write(directory.path().join(REFUNDS_FILE_NAME), refund).expect("written");
        let (charges, refunds) =
            read(vec![directory.path().to_owned()]).await.expect("readable").expect("a source");
        assert_eq!((charges.len(), refunds.map(|refunds| refunds.len())), (1, Some(1)));
        let file = directory.path().join(FILE_NAME);
        let (charges, refunds) = read(vec![file]).await.expect("readable").expect("a source");
        assert_eq!((charges.len(), refunds), (1, None), "it says nothing of refunds");
        assert!(read(Vec::new()).await.expect("nothing to read").is_none());
        let missing = read(vec![directory.path().join("missing")]).await.expect_err("missing");
        assert!(format!("{missing:#}").contains("missing"), "{missing:#}");
    }
}
