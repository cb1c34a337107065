//! The registry's ids of our own schemas, remembered on disk: a process whose schemas are all in
//! the log already starts without the registry.
//!
//! Disposable: without the file the registry is asked, as at the first start.

use std::path::Path;

use schemas::SchemaId;
use schemas::codec::RecordKind;
use serde::{Deserialize, Serialize};

use crate::registry::WriterIds;

/// What is known of one schema.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    topic: String,
    fingerprint: String,
    id: SchemaId,
}

fn remembered(ids: WriterIds) -> Vec<Remembered> {
    let row = |kind: RecordKind| Remembered {
        topic: kind.topic().label().to_owned(),
        fingerprint: kind.schema().fingerprint().to_string(),
        id: ids.of(kind),
    };
    RecordKind::ALL.map(row).into()
}

/// The ids in this file, if they are those of the schemas that this binary writes.
pub fn read(path: &Path) -> Option<WriterIds> {
    let rows: Vec<Remembered> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let [command, operation, gateway_result, transfer_leg, entry, dead_letter] = rows.as_slice()
    else {
        return None;
    };
    let ids = WriterIds {
        command: command.id,
        operation: operation.id,
        gateway_result: gateway_result.id,
        transfer_leg: transfer_leg.id,
        entry: entry.id,
        dead_letter: dead_letter.id,
    };
    (remembered(ids) == rows).then_some(ids)
}

/// Remembers the ids. Failing to is no failure: the next start asks the registry.
pub fn write(path: &Path, ids: WriterIds) {
    let json = serde_json::to_vec_pretty(&remembered(ids)).map_err(std::io::Error::other);
    let beside = path.with_extension("new");
    let written = json
        .and_then(|json| std::fs::write(&beside, json))
        .and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        tracing::warn!(%error, "The ids of the schemas were not remembered.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ids_of_these_very_schemas_are_remembered() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("ids.json");
        assert_eq!(read(&path), None);
        let id = SchemaId;
        let ids = WriterIds {
            command: id(1),
            operation: id(2),
            gateway_result: id(3),
            transfer_leg: id(4),
            entry: id(5),
            dead_letter: id(6),
        };
        write(&path, ids);
        assert_eq!(read(&path), Some(ids));
        let text = std::fs::read_to_string(&path).expect("readable");
        let other = text.replacen("\"fingerprint\": \"", "\"fingerprint\": \"0", 1);
        std::fs::write(&path, other).expect("writable");
        assert_eq!(read(&path), None);
        std::fs::write(&path, &text[..text.len() / 2]).expect("writable");
        assert_eq!(read(&path), None);
    }
}
