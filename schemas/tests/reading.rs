//! What readers do with bytes that are not what they seem, and with schemas of others.

use schemas::codec::{self, RecordKind, SchemaCatalog};
use schemas::inputs::{Command, CommandBody, Deposit, Envelope, Operation, OperationBody, Pay};
use schemas::{SchemaId, Sealed};

const ID: SchemaId = SchemaId(7);

fn envelope() -> Envelope {
    Envelope {
        command_id: "7d3f1f0e-2b60-4d3b-9a51-0d3c1f4a5b6c".to_owned(),
        tenant: "default".to_owned(),
        idempotency_key: "order-1".to_owned(),
        correlation_id: "corr-1".to_owned(),
        actor: "api".to_owned(),
        deadline: None,
    }
}

fn command() -> Command {
    Command {
        envelope: envelope(),
        body: CommandBody::Pay(Pay {
            payment_id: "p".to_owned(),
            wallet_id: "w".to_owned(),
            amount: 10_000,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: Some("shop".to_owned()),
            description: Some(Sealed::plaintext("Order 1")),
            metadata: None,
        }),
    }
}

fn deposit_operation() -> Operation {
    Operation {
        envelope: envelope(),
        body: OperationBody::Deposit(Deposit {
            deposit_id: "d".to_owned(),
            wallet_id: "w".to_owned(),
            amount: 1_000_000,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: "E2E-1".to_owned(),
        }),
    }
}

/// Garbage never panics, never reads as a record, and says what is wrong.
#[test]
fn garbage_is_an_error() {
    let catalog = SchemaCatalog::default();
    catalog.learn_own(ID, RecordKind::Command).expect("first");
    let good = codec::encode(&command(), ID);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut foreign = good.clone();
    foreign[4] = 9;
    let rows: [(&str, Option<&[u8]>); 9] = [
        ("tombstone", None),
        ("zero bytes", Some(&[])),
        ("too short", Some(&[0, 0, 0])),
        ("no frame", Some(b"{\"amount\": 1}")),
        ("unknown schema id", Some(&foreign)),
        ("frame alone", Some(&good[..5])),
        ("cut", Some(&good[..good.len() / 2])),
        ("trailing byte", Some(&trailing)),
        ("huge length", Some(&[0, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
    ];
    for (name, value) in rows {
        assert!(catalog.decode::<Command>(value, None).is_err(), "{name}");
    }
    for cut in 0..good.len() {
        assert!(catalog.decode::<Command>(Some(&good[..cut]), None).is_err(), "cut at {cut}");
    }
    assert_eq!(catalog.decode::<Command>(Some(&good), None).expect("good"), command());
}

#[test]
fn an_id_that_changes_its_meaning_is_noticed() {
    let catalog = SchemaCatalog::default();
    catalog.learn_own(ID, RecordKind::Command).expect("first");
    catalog.learn_own(ID, RecordKind::Command).expect("the same again");
    let conflict = catalog.learn_own(ID, RecordKind::Entry).expect_err("another");
    assert!(conflict.to_string().contains("restore its data"));
}

#[derive(serde::Serialize)]
struct Foreign {
    body: OperationBody,
    envelope: Envelope,
    extra: String,
}

/// A deadline in microseconds would be in the year 50,000.
#[test]
fn times_in_other_units_are_refused() {
    let own = RecordKind::Command.schema().json();
    let foreign = own.replace("timestamp-millis", "timestamp-micros");
    let refused = SchemaCatalog::default().learn_foreign(SchemaId(9), &foreign);
    assert!(refused.expect_err("refused").to_string().contains("timestamp-millis"));
}

/// An amount that is not a whole number is named, with the way out.
#[test]
fn the_field_at_fault_is_named() {
    let own = RecordKind::Command.schema().json();
    let floating = own
        .replace(r#"{"name": "amount", "type": "long""#, r#"{"name": "amount", "type": "double""#);
    assert_ne!(floating, own);
    let catalog = SchemaCatalog::default();
    catalog.learn_foreign(SchemaId(9), &floating).expect("a schema");
    // What an 8-byte double stands in the place of.
    let mut value = codec::encode(&command(), SchemaId(9));
    let amount = [0xa0, 0x9c, 0x01];
    let at = value.windows(3).position(|bytes| bytes == amount).expect("10000 as Avro has it");
    value.splice(at..at + 3, 15.5_f64.to_le_bytes());
    let error = catalog.decode::<Command>(Some(&value), None).expect_err("not a whole number");
    let text = error.to_string();
    assert!(text.contains("amount") && text.contains("15.5"), "{text}");
    assert!(text.contains("describe --schema command"), "{text}");
}

/// A producer's own schema, fields in another order and one more, is read by field names.
#[test]
fn foreign_writer_schema() {
    let own = RecordKind::Operation.schema().json();
    let mut schema: serde_json::Value = serde_json::from_str(own).expect("JSON");
    schema["fields"].as_array_mut().expect("fields").reverse();
    let extra = serde_json::json!({"name": "extra", "type": "string"});
    schema["fields"].as_array_mut().expect("fields").push(extra);
    let writer: serde_avro_fast::Schema = schema.to_string().parse().expect("valid");

    let Operation { envelope, body } = deposit_operation();
    let foreign = Foreign { body, envelope, extra: "x".to_owned() };
    let mut config = serde_avro_fast::ser::SerializerConfig::new(&writer);
    let value = serde_avro_fast::to_datum(&foreign, vec![0, 0, 0, 0, 9], &mut config);
    let catalog = SchemaCatalog::default();
    catalog.learn_foreign(SchemaId(9), &schema.to_string()).expect("a schema");
    let decoded = catalog.decode::<Operation>(Some(&value.expect("encodes")), None);
    assert_eq!(decoded.expect("decodes"), deposit_operation());
}
