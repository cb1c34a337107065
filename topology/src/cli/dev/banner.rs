//! What to do with a running system: addresses, and commands to paste, each with its promise.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use connectors::gateway::simulator::magic::MagicAmount;

use super::demo::{POOR_USER, USER};
use super::ready::Ready;
use super::terminal::{Style, styled};

const JSON: &str = "-H 'Content-Type: application/json'";
const NEW_KEY: &str = "key=$(date +%s)";
/// Until the application is back.
const RETRIES: &str = "--retry 20 --retry-delay 1 --retry-all-errors";

/// The addresses and the commands.
pub fn render(ready: &Ready) -> String {
    let mut text = addresses(ready);
    for (promise, command) in commands(ready) {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}\n{}\n",
            styled(Style::Faint, &format!("# {promise}")),
            styled(Style::Command, &command)
        );
    }
    text
}

fn addresses(ready: &Ready) -> String {
    let state = shown(&ready.state_directory);
    let rows = [
        ("HTTP API", format!("{}/api/v1", ready.api_url)),
        ("Readiness", format!("{}/ready", ready.api_url)),
        ("Metrics", ready.metrics_url.clone()),
        ("Gateway simulator", ready.gateway_url.clone()),
        ("Kafka", ready.bootstrap_servers.clone()),
        ("Schema registry", ready.registry_url.clone()),
        ("State and logs", state.display().to_string()),
        ("Demo user", format!("{USER}, wallets in USD and EUR")),
    ];
    let mut text = format!("\n{}\n\n", styled(Style::Heading, "holdfast is ready."));
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<18} {value}");
    }
    text
}

/// Each promise with the command that shows it.
fn commands(ready: &Ready) -> Vec<(String, String)> {
    let api = format!("{}/api/v1", ready.api_url);
    let state = shown(&ready.state_directory);
    let pid_file = quoted(&state.join("run.pid"));
    let ordinary = payment(USER, 10_000, "Coffee machine");
    let declined = payment(USER, MagicAmount::DeclineDoNotHonor.ending(), "Declined");
    let silent = payment(USER, MagicAmount::TimeoutAfterCharging.ending(), "Heals");
    let pay = |options: &str, body: &str| {
        format!("curl -sSi -X POST {api}/payments {JSON}{options} -d '{body}'")
    };
    let wait = " -H 'Prefer: wait=10'";
    let row = |promise: &str, command: String| (promise.to_owned(), command);
    vec![
        row("Pay 100.00 USD: 201, status completed.", pay(wait, &ordinary)),
        row(
            "Too poor for that: 402 insufficient_funds, and the gateway is never asked.",
            pay(wait, &payment(POOR_USER, 10_000, "Too expensive")),
        ),
        row("Declined by the gateway: 402 payment_declined.", pay(wait, &declined)),
        row(
            "The gateway charges and never answers: in_doubt, then an inquiry makes it completed.",
            pay(" -H 'Prefer: wait=30'", &silent),
        ),
        row(
            "One key twice is one payment: the second has Idempotent-Replayed: true.",
            format!("{NEW_KEY}; for i in 1 2; do {}; done", pay(&keyed(wait), &ordinary)),
        ),
        row(
            "kill -9 in mid-payment: the same key gives that payment, completed, charged once.",
            format!(
                "{NEW_KEY}; {}; kill -9 $(cat {pid_file}); {} {RETRIES}",
                pay(&keyed(""), &ordinary),
                pay(&keyed(wait), &ordinary)
            ),
        ),
        row("The wallet, and its statement.", {
            let wallet = format!("{api}/wallets/{USER}/USD");
            format!("curl -sS {wallet}; echo; curl -sS {wallet}/transactions")
        }),
        row("An independent audit of the whole log: every check passes.", audit(ready, &state)),
    ]
}

fn keyed(options: &str) -> String {
    format!("{options} -H \"Idempotency-Key: $key\"")
}

fn audit(ready: &Ready, state: &Path) -> String {
    let Ready { bootstrap_servers, build, .. } = ready;
    let ground_truth = quoted(&state.join("gateway-sim"));
    let executable = quoted(&shown(&build.executable));
    let broker = format!("KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers}");
    format!("{broker} {executable} audit --ground-truth {ground_truth}")
}

fn payment(user: &str, amount_minor: i64, description: &str) -> String {
    let what = format!(r#""amount":{amount_minor},"currency":"USD""#);
    format!(r#"{{"user_id":"{user}",{what},"description":"{description}"}}"#)
}

/// Relative to where the reader is, when that is shorter.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

/// Safe to paste into a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::super::ready::Build;
    use super::*;

    #[test]
    fn the_banner_has_the_real_addresses_and_whole_commands() {
        let ready = Ready {
            pid: 1,
            build: Build { executable: "/opt/holdfast".into(), bytes: 0, modified_ns: 0 },
            api_url: "http://127.0.0.1:20001".into(),
            metrics_url: "http://127.0.0.1:20005/metrics".into(),
            gateway_url: "http://127.0.0.1:20002".into(),
            bootstrap_servers: "127.0.0.1:20003".into(),
            registry_url: "http://127.0.0.1:20004/apis/ccompat/v7".into(),
            state_directory: "/tmp/it's here".into(),
        };
        let text = render(&ready);
        for url in [&ready.api_url, &ready.metrics_url, &ready.gateway_url, &ready.registry_url] {
            assert!(text.contains(url.as_str()), "{url}");
        }
        assert!(text.contains(r"$(cat '/tmp/it'\''s here/run.pid')"), "{text}");
        assert!(commands(&ready).iter().all(|(_, command)| !command.contains('\n')));
    }

    #[test]
    fn bodies_are_json() {
        let body: serde_json::Value =
            serde_json::from_str(&payment(USER, 10_000, "Coffee")).unwrap();
        assert_eq!(body["amount"], 10_000);
        assert_eq!(body["user_id"], USER);
    }
}
