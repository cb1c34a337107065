//! Tables of gateways: what is read, what is refused and how, and which gateway comes first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use schemas::{Amount, Currency};

use super::*;
use crate::gateway::client::GatewayClient;

const TABLE: &str = r#"
    [[gateway]]
    name = "stripe"
    kind = "stripe"
    credentials = { env = "STRIPE_SECRET_KEY" }
    webhook_secrets = [{ file = "/run/secrets/new" }, { file = "/run/secrets/old" }]
    payment_method = "pm_card_visa"
    call_timeout_ms = 10_000
    refund_inquiry = "authoritative"

    [[gateway]]
    name = "simulator"
    kind = "simulator"
    base_url = "http://127.0.0.1:8090"
    inquiry = "authoritative"
    ingestion_window_ms = 0

    # Small amounts are not worth the fee.
    [[route]]
    currencies = ["EUR", "USD"]
    to = 499
    gateways = ["simulator"]

    [[route]]
    currencies = ["EUR", "USD"]
    gateways = ["stripe", "simulator"]

    [[route]]
    from = 1_000
    gateways = ["simulator"]
"#;

fn order(table: &GatewayTable, minor: i64, currency: &str) -> String {
    let amount = Amount::try_from(minor).unwrap();
    let currency: Currency = currency.parse().unwrap();
    let names: Vec<&str> = table.order(amount, currency).iter().map(GatewayName::as_str).collect();
    names.join(" ")
}

#[test]
fn the_first_route_that_fits_says_which_gateway_comes_first() {
    let table = GatewayTable::parse(TABLE).unwrap();
    let rows = [
        (499, "EUR", "simulator"),
        (500, "EUR", "stripe simulator"),
        (500, "USD", "stripe simulator"),
        (999, "JPY", ""),
        (1_000, "JPY", "simulator"),
    ];
    for (minor, currency, expected) in rows {
        assert_eq!(order(&table, minor, currency), expected, "{minor} {currency}");
    }
    let start = TABLE.split("# Small").next().unwrap();
    let table = GatewayTable::parse(start).unwrap();
    assert_eq!(order(&table, 1, "JPY"), "stripe simulator");
    assert_eq!(table.routes().len(), 1);
}

#[test]
fn what_is_left_out_has_a_default_that_promises_little() {
    let table = GatewayTable::parse(TABLE).unwrap();
    let stripe = table.gateway(&"stripe".parse().unwrap()).unwrap();
    assert_eq!(stripe.inquiry, InquiryKind::Advisory);
    assert_eq!(stripe.refund_inquiry, InquiryKind::Authoritative);
    assert_eq!((stripe.connect_timeout_ms, stripe.call_timeout_ms), (2_000, 10_000));
    assert_eq!((stripe.maximum_call_time_ms, stripe.ingestion_window_ms), (30_000, 60_000));
    assert_eq!((stripe.concurrency, stripe.key_retention_hours), (256, 24));
    // What is shown is what was written, and no secret.
    let shown = serde_json::to_value(&table).unwrap();
    assert_eq!(shown["gateway"][0]["credentials"]["env"], "STRIPE_SECRET_KEY");
    assert!(table.gateway(&"other".parse().unwrap()).is_none());
}

/// The table, with one thing in it altered.
fn altered(from: &str, to: &str) -> String {
    assert!(TABLE.contains(from), "{from} is not in the table");
    GatewayTable::parse(&TABLE.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn every_fault_names_its_row_and_field_and_says_what_to_change() {
    let stripe = "gateway stripe (row 1), ";
    let simulator = "gateway simulator (row 2), ";
    let rows = [
        ("call_timeout_ms = 10_000", "call_timeout_ms = 0", "call_timeout_ms: write 1 to 600000"),
        (
            "call_timeout_ms = 10_000",
            "connect_timeout_ms = 3_001",
            "connect_timeout_ms: write 1 to 3000",
        ),
        (
            "call_timeout_ms = 10_000",
            "maximum_call_time_ms = 2_999",
            "maximum_call_time_ms: write 3000",
        ),
        ("call_timeout_ms = 10_000", "concurrency = 0", "concurrency: write 1 to 65536"),
        ("call_timeout_ms = 10_000", "breaker_percent = 0", "breaker_percent: write 1 to 100"),
        ("call_timeout_ms = 10_000", "key_retention_hours = 0", "key_retention_hours: a key must"),
        (
            "call_timeout_ms = 10_000",
            "key_retention_hours = 25",
            "key_retention_hours: Stripe promises",
        ),
        ("call_timeout_ms = 10_000", "inquiry = \"authoritative\"", "inquiry: Stripe's search"),
        (
            "call_timeout_ms = 10_000",
            "ingestion_window_ms = 1_000",
            "ingestion_window_ms: Stripe's",
        ),
        (
            "call_timeout_ms = 10_000",
            "base_url = \"http://stripe.example\"",
            "base_url: the key must",
        ),
        (
            "call_timeout_ms = 10_000",
            "base_url = \"stripe\"",
            "base_url: \"stripe\" is not the base",
        ),
        ("call_timeout_ms = 10_000", "customer = \"\"", "customer: write the id"),
        (
            "credentials = { env = \"STRIPE_SECRET_KEY\" }",
            "",
            "credentials: it is missing: write {",
        ),
        ("payment_method = \"pm_card_visa\"", "", "payment_method: write the id"),
    ];
    for (from, to, expected) in rows {
        let faults = altered(from, to);
        assert!(faults.starts_with(&format!("{stripe}{expected}")), "{to}: {faults}");
        assert_eq!(faults.lines().count(), 1, "{to}: {faults}");
    }
    let twice = altered("name = \"simulator\"", "name = \"stripe\"");
    assert!(twice.starts_with("gateway stripe (row 2), name: another row"), "{twice}");
    let url = "base_url = \"http://127.0.0.1:8090\"";
    let rows = [
        ("", "base_url: it is missing: write where"),
        ("base_url = \"http://u:secret@h\"", "base_url: \"h\" is not the base URL"),
        ("base_url = \"http://h\"\ncustomer = \"cus_1\"", "customer: a gateway of kind simulator"),
        (
            "base_url = \"http://h\"\ncredentials = { env = \"X\" }",
            "credentials: a gateway of kind",
        ),
    ];
    for (to, expected) in rows {
        let faults = altered(url, to);
        assert!(faults.starts_with(&format!("{simulator}{expected}")), "{to}: {faults}");
    }
    let faults = altered("kind = \"simulator\"", "kind = \"in_process\"");
    assert!(faults.starts_with("gateway simulator (row 2), base_url: a gateway in this process"));
}

#[test]
fn routes_that_lead_nowhere_are_refused() {
    let rows = [
        ("[\"stripe\", \"simulator\"]", "[]", "route (row 2), gateways: it is empty"),
        (
            "[\"stripe\", \"simulator\"]",
            "[\"adyen\"]",
            "route (row 2), gateways: there is no gateway adyen",
        ),
        (
            "[\"stripe\", \"simulator\"]",
            "[\"stripe\", \"stripe\"]",
            "route (row 2), gateways: stripe stands there twice",
        ),
        (
            "currencies = [\"EUR\", \"USD\"]",
            "currencies = []",
            "route (row 1), currencies: it is empty",
        ),
        ("to = 499", "from = 500\nto = 499", "route (row 1), from: 500 is more than 499"),
        ("to = 499", "", "route (row 2), currencies, from, to: route 1 takes all of it"),
        (
            "from = 1_000",
            "currencies = [\"USD\"]",
            "route (row 3), currencies, from, to: route 2 takes",
        ),
    ];
    for (from, to, expected) in rows {
        let faults = altered(from, to);
        assert!(faults.starts_with(expected), "{to}: {faults}");
    }
    let none = GatewayTable::parse("").unwrap_err().to_string();
    assert!(none.starts_with("the table of gateways: it has no gateway"), "{none}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let rows = [
        ("kind = \"stripe\"", "kind = \"strip\"", "strip"),
        ("name = \"stripe\"", "name = \"Stripe!\"", "1 to 32 of a-z 0-9 _ -"),
        ("call_timeout_ms", "call_timeout", "call_timeout"),
        ("to = 499", "to = 0", "positive"),
        ("\"EUR\"", "\"EURO\"", "EURO"),
        ("env = \"STRIPE_SECRET_KEY\"", "value = \"sk_live\"", "never the secret itself"),
        ("{ env = \"STRIPE_SECRET_KEY\" }", "\"sk_live\"", "never the secret itself"),
        ("{ env = \"STRIPE_SECRET_KEY\" }", "{ env = 1 }", "never the secret itself"),
        ("[[route]]", "[[rout]]", "rout"),
    ];
    for (from, to, named) in rows {
        let faults = altered(from, to);
        assert!(faults.starts_with("the table of gateways, line "), "{to}: {faults}");
        assert!(faults.contains(named) && !faults.contains("sk_live"), "{to}: {faults}");
    }
    // All that is wrong is told at once.
    let two = TABLE.replace("payment_method = \"pm_card_visa\"", "concurrency = 0");
    let faults = GatewayTable::parse(&two).unwrap_err();
    assert_eq!(faults.0.len(), 2, "{faults}");
}

#[test]
fn a_row_becomes_a_client_and_secrets_stay_secret() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "sk_test_hidden\n").unwrap();
    let at = format!("file = {:?}", key.display().to_string());
    let table = TABLE.replace("env = \"STRIPE_SECRET_KEY\"", &at);
    let table = GatewayTable::parse(&table.replace("file = \"/run/secrets/new\"", &at)).unwrap();
    let [stripe, simulator] = table.gateways() else { panic!("two gateways") };
    let client = stripe.client(directory.path()).unwrap();
    assert!(matches!(client, GatewayClient::Stripe(_)));
    assert!(!format!("{client:?}").contains("hidden"), "{client:?}");
    let client = simulator.client(directory.path()).unwrap();
    assert!(matches!(client, GatewayClient::Simulator(_)));
    let unreadable = stripe.signing_secrets().unwrap_err().to_string();
    assert!(unreadable.starts_with("gateway stripe, webhook_secrets: "), "{unreadable}");
    assert!(unreadable.contains("/run/secrets/old"), "{unreadable}");

    std::fs::remove_file(&key).unwrap();
    let gone = stripe.client(directory.path()).unwrap_err().to_string();
    assert!(gone.starts_with("gateway stripe, credentials: the file "), "{gone}");
    let in_process =
        GatewayRow { kind: GatewayKind::InProcess, base_url: None, ..simulator.clone() };
    let table = GatewayTable::new(vec![in_process], Vec::new()).unwrap();
    let client = table.gateways()[0].client(&directory.path().join("sim")).unwrap();
    assert!(matches!(client, GatewayClient::InProcess(_)));
}

#[test]
fn the_table_to_begin_with_is_valid_and_is_the_one_of_the_documents() {
    let example = include_str!("../../../../deploy/gateways.toml");
    let table = GatewayTable::parse(example).unwrap();
    assert_eq!(table.gateways().len(), 2);
    assert_eq!(order(&table, 500, "EUR"), "stripe simulator");
    assert_eq!(order(&table, 499, "EUR"), "simulator");
    let documents = include_str!("../../../../docs/gateways.md");
    let shown = documents.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(GatewayTable::parse(shown).unwrap(), table);
}
