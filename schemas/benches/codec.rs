//! The two Avro crates on our largest record, both directions, on one thread:
//! `cargo bench -p schemas --bench codec`.
//!
//! The entries are the golden ones. `apache-avro` goes through its own `Value`, which is how it
//! converts a type of serde's to a datum under a schema and back.

use std::hint::black_box;
use std::time::{Duration, Instant};

use schemas::SchemaId;
use schemas::codec::{self, RecordKind, SchemaCatalog};
use schemas::entry::Entry;

const RUN: Duration = Duration::from_secs(2);

fn main() {
    let lines = include_str!("../avro/golden/entry.hex").lines();
    let framed: Vec<Vec<u8>> = lines.map(from_hex).collect();
    let fingerprint = Some(RecordKind::Entry.schema().fingerprint());
    let catalog = SchemaCatalog::default();
    let decode = |value: &[u8]| -> Entry {
        catalog.decode(Some(value), fingerprint).expect("golden bytes decode")
    };
    let entries: Vec<Entry> = framed.iter().map(|value| decode(value)).collect();
    let schema = apache_avro::Schema::parse_str(RecordKind::Entry.schema().json()).expect("valid");
    let bytes: usize = framed.iter().map(Vec::len).sum();
    println!("{} golden entries, {} bytes on average", framed.len(), bytes / framed.len());
    measure("serde_avro_fast encode", &entries, |entry| {
        black_box(codec::encode(entry, SchemaId(7)));
    });
    measure("serde_avro_fast decode", &framed, |value| {
        black_box(decode(value));
    });
    // The oracle reads our bytes; its own serialiser would name unions differently.
    let values: Vec<_> = framed.iter().map(|value| oracle_value(&schema, value)).collect();
    measure("apache-avro encode (from Value)", &values, |value| {
        black_box(apache_avro::to_avro_datum(&schema, value.clone()).expect("encodes"));
    });
    measure("apache-avro decode (to Value)", &framed, |value| {
        black_box(oracle_value(&schema, value));
    });
}

fn oracle_value(schema: &apache_avro::Schema, value: &[u8]) -> apache_avro::types::Value {
    let mut datum = &value[5..];
    apache_avro::from_avro_datum(schema, &mut datum, None).expect("golden bytes decode")
}

fn measure<'a, T>(name: &str, items: &'a [T], mut work: impl FnMut(&'a T)) {
    let since = Instant::now();
    let mut done = 0_u32;
    while since.elapsed() < RUN {
        for item in items {
            work(item);
            done += 1;
        }
    }
    let each = since.elapsed() / done;
    println!("{name:<34}{:>8.2} us", each.as_secs_f64() * 1e6);
}

fn from_hex(line: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("golden hex");
    (0..line.len()).step_by(2).map(digit).collect()
}
