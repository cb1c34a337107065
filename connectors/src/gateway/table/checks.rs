//! What makes a table of gateways valid. Every fault names its row and field and says what to
//! change.

use std::collections::BTreeSet;

use schemas::GatewayName;

use super::row::{GatewayKind, GatewayRow, InquiryKind};
use super::{Fault, Route};
use crate::gateway::base_url::BaseUrl;

/// The longest wait that is a wait and not a mistake: ten minutes.
const MAX_CALL_MS: u64 = 600_000;
/// More calls than any process has connections.
const MAX_CONCURRENCY: u32 = 65_536;
/// What Stripe promises.
const STRIPE_KEY_RETENTION_HOURS: u64 = 24;
/// Within which Stripe's search finds things as a rule.
const STRIPE_INGESTION_WINDOW_MS: u64 = 60_000;

/// Everything that is wrong.
pub(super) fn faults(gateways: &[GatewayRow], routes: &[Route]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if gateways.is_empty() {
        let wrong = "it has no gateway: add a table [[gateway]]".to_owned();
        faults.push(Fault { place: "the table of gateways".to_owned(), wrong });
    }
    let mut names = BTreeSet::new();
    for (index, row) in gateways.iter().enumerate() {
        let mut report = |field: &str, wrong: &str| {
            let place = format!("gateway {} (row {}), {field}", row.name, index + 1);
            faults.push(Fault { place, wrong: wrong.to_owned() });
        };
        if !names.insert(&row.name) {
            report("name", "another row has this name: give each gateway its own");
        }
        check_times(row, &mut report);
        match row.kind {
            GatewayKind::Simulator => {
                check_url(row, &mut report);
                check_absent(row, "simulator", &mut report);
            }
            GatewayKind::InProcess => {
                if row.base_url.is_some() {
                    report("base_url", "a gateway in this process has none: remove it");
                }
                check_absent(row, "in_process", &mut report);
            }
            GatewayKind::Stripe => check_stripe(row, &mut report),
        }
    }
    check_routes(routes, &names, &mut faults);
    faults
}

fn check_times(row: &GatewayRow, report: &mut impl FnMut(&str, &str)) {
    if !(1..=MAX_CALL_MS).contains(&row.call_timeout_ms) {
        report("call_timeout_ms", &format!("write 1 to {MAX_CALL_MS}"));
    }
    if row.connect_timeout_ms == 0
        || (row.call_timeout_ms > 0 && row.connect_timeout_ms > row.call_timeout_ms)
    {
        let most = row.call_timeout_ms;
        report("connect_timeout_ms", &format!("write 1 to {most}, the call_timeout_ms"));
    }
    if !(row.call_timeout_ms..=MAX_CALL_MS).contains(&row.maximum_call_time_ms) {
        let least = row.call_timeout_ms;
        report(
            "maximum_call_time_ms",
            &format!("write {least}, the call_timeout_ms, to {MAX_CALL_MS}"),
        );
    }
    if !(1..=MAX_CONCURRENCY).contains(&row.concurrency) {
        report("concurrency", &format!("write 1 to {MAX_CONCURRENCY}"));
    }
    if !(1..=100).contains(&row.breaker_percent) {
        report("breaker_percent", "write 1 to 100");
    }
    if row.key_retention() <= row.maximum_call_time() {
        let why = "a key must be remembered for longer than a call can go on: raise it";
        report("key_retention_hours", why);
    }
}

fn check_url(row: &GatewayRow, report: &mut impl FnMut(&str, &str)) -> Option<BaseUrl> {
    let Some(url) = &row.base_url else {
        report("base_url", "it is missing: write where the gateway is, such as http://host:8090");
        return None;
    };
    match BaseUrl::parse(url) {
        Ok(base) => Some(base),
        Err(error) => {
            report("base_url", &error.to_string());
            None
        }
    }
}

fn check_absent(row: &GatewayRow, kind: &str, report: &mut impl FnMut(&str, &str)) {
    let fields = [
        ("credentials", row.credentials.is_some()),
        ("payment_method", row.payment_method.is_some()),
        ("customer", row.customer.is_some()),
    ];
    for (field, _) in fields.into_iter().filter(|(_, is_there)| *is_there) {
        report(field, &format!("a gateway of kind {kind} has none: remove it"));
    }
}

fn check_stripe(row: &GatewayRow, report: &mut impl FnMut(&str, &str)) {
    if row.base_url.is_some()
        && let Some(base) = check_url(row, report)
        && base.is_overheard()
    {
        report("base_url", "the key must not go over plain HTTP: write https://, or leave it out");
    }
    if row.credentials.is_none() {
        let how = "it is missing: write { env = \"NAME\" } or { file = \"/path\" }, where the \
                   secret key is";
        report("credentials", how);
    }
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    if !row.payment_method.as_deref().is_some_and(is_id) {
        report("payment_method", "write the id of what is charged, such as pm_card_visa");
    }
    if row.customer.as_deref().is_some_and(|id| !is_id(id)) {
        report("customer", "write the id of a Customer, or leave it out");
    }
    if row.inquiry == InquiryKind::Authoritative {
        let why = "Stripe's search is eventually consistent and proves nothing: write \"advisory\"";
        report("inquiry", why);
    }
    if row.ingestion_window_ms < STRIPE_INGESTION_WINDOW_MS {
        let least = STRIPE_INGESTION_WINDOW_MS;
        let why = format!("Stripe's search takes a minute as a rule: write at least {least}");
        report("ingestion_window_ms", &why);
    }
    if row.key_retention_hours > STRIPE_KEY_RETENTION_HOURS {
        let most = STRIPE_KEY_RETENTION_HOURS;
        let why = format!("Stripe promises no more than {most} hours: write at most that");
        report("key_retention_hours", &why);
    }
}

fn check_routes(routes: &[Route], names: &BTreeSet<&GatewayName>, faults: &mut Vec<Fault>) {
    for (index, route) in routes.iter().enumerate() {
        let mut report = |field: &str, wrong: String| {
            let place = format!("route (row {}), {field}", index + 1);
            faults.push(Fault { place, wrong });
        };
        if route.gateways.is_empty() {
            report("gateways", "it is empty: name the gateways, the first one first".to_owned());
        }
        let mut seen = BTreeSet::new();
        for name in &route.gateways {
            if !names.contains(name) {
                report(
                    "gateways",
                    format!("there is no gateway {name}: add it, or remove it here"),
                );
            }
            if !seen.insert(name) {
                report("gateways", format!("{name} stands there twice: remove one"));
            }
        }
        if route.currencies.as_ref().is_some_and(BTreeSet::is_empty) {
            report("currencies", "it is empty: name some, or leave it out for all".to_owned());
        }
        if let (Some(from), Some(to)) = (route.from, route.to)
            && from > to
        {
            report("from", format!("{from} is more than {to}: exchange from and to"));
        }
        if let Some(earlier) = routes[..index].iter().position(|earlier| earlier.covers(route)) {
            let why = format!("route {} takes all of it: move it up, or remove it", earlier + 1);
            report("currencies, from, to", why);
        }
    }
}
