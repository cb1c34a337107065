//! Holds records against their golden bytes.

use std::fmt::Debug;
use std::path::PathBuf;

use schemas::SchemaFingerprint;
use schemas::codec::{self, Record, SchemaCatalog};

use super::ID;

/// The golden file of a version; written where it is missing and that is wanted.
pub fn golden(file: &str, written: impl FnOnce() -> Vec<String>) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("avro/golden").join(file);
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, written().join("\n") + "\n").expect("golden file is writable");
    }
    let text = std::fs::read_to_string(&path).expect("golden file");
    text.lines().map(str::to_owned).collect()
}

/// What version 1 wrote is read by the fingerprint of its schema, with the defaults of what is new.
pub fn check_v1<R: Record + PartialEq + Debug>(name: &str, records: &[R]) {
    let fingerprints = golden("fingerprints.tsv", Vec::new);
    let kind = format!("{:?}", R::KIND);
    let fingerprint = fingerprints.iter().find_map(|line| {
        let (of, fingerprint) = line.split_once('\t')?;
        (of == kind).then(|| SchemaFingerprint::parse(fingerprint.as_bytes()).expect("hex"))
    });
    let fingerprint = fingerprint.expect("version 1 had this record");
    assert_ne!(fingerprint, R::KIND.schema().fingerprint(), "{name} is of another version");
    let lines = golden(&format!("{name}.hex"), Vec::new);
    assert_eq!(lines.len(), records.len(), "{name}");
    for (line, record) in lines.iter().zip(records) {
        let bytes = from_hex(line);
        let decoded: R = SchemaCatalog::default()
            .decode(Some(&bytes), Some(fingerprint))
            .expect("golden bytes decode");
        assert_eq!(&decoded, record, "{name}");
    }
}

/// Holds the records against their golden bytes and against apache-avro.
pub fn check_v2<R: Record + PartialEq + Debug>(name: &str, records: &[R]) {
    let written: Vec<String> =
        records.iter().map(|record| to_hex(&codec::encode(record, ID))).collect();
    let golden = golden(&format!("v2/{name}.hex"), || written.clone());
    assert_eq!(golden, written, "{name}: the bytes have changed");
    let fingerprint = R::KIND.schema().fingerprint();
    let oracle = apache_avro::Schema::parse_str(R::KIND.schema().json()).expect("valid schema");
    for (line, record) in golden.iter().zip(records) {
        let bytes = from_hex(line);
        let decoded: R = SchemaCatalog::default()
            .decode(Some(&bytes), Some(fingerprint))
            .expect("golden bytes decode");
        assert_eq!(&decoded, record);
        let mut datum = &bytes[5..];
        let value = apache_avro::from_avro_datum(&oracle, &mut datum, None).expect("oracle reads");
        assert!(datum.is_empty(), "{name}: the oracle leaves bytes");
        let again = apache_avro::to_avro_datum(&oracle, value).expect("oracle writes");
        assert_eq!(again, bytes[5..], "{name}: the oracle writes other bytes");
    }
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}
