//! An entry in words: lines with colours for a terminal, one line of columns for a pipe, JSON for
//! programs.

use std::fmt::Write as _;

use anyhow::Context;
use schemas::entry::{Entry, InputBody, Source, Verdict};
use schemas::event::Event;
use schemas::inputs::{CommandBody, GatewayOutcome, LegBody, OperationBody};
use serde_json::Value;

use super::reader::JournalRecord;

/// The names of Avro records begin so in JSON.
const NAMESPACE: &str = "holdfast.";

/// How an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Some lines, with colours unless `NO_COLOR` is set.
    Terminal,
    /// One line, columns with tabs between them.
    Plain,
    /// One line of JSON: the whole entry.
    Json,
}

/// The record in this form, with the end of its last line.
pub(super) fn render(form: Form, record: &JournalRecord<'_>) -> anyhow::Result<String> {
    let position = record.position;
    let entry = match (&record.entry, form) {
        (Ok(entry), _) => entry,
        (Err(error), Form::Json) => {
            let (position, error) = (position.to_string(), error.to_string());
            return Ok(format!("{}\n", serde_json::json!({"position": position, "error": error})));
        }
        (Err(error), Form::Terminal | Form::Plain) => {
            return Ok(format!("{position}\tnot an entry: {}\n", printable(&error.to_string())));
        }
    };
    match form {
        Form::Terminal => Ok(lines(&position.to_string(), entry)),
        Form::Plain => Ok(columns(&position.to_string(), entry)),
        Form::Json => json(&position.to_string(), entry),
    }
}

/// Texts of the journal may come from anyone: a terminal must not take them for commands.
pub(in crate::cli) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn lines(position: &str, entry: &Entry) -> String {
    let is_coloured = std::env::var_os("NO_COLOR").is_none();
    let styled = |code: &str, text: &str| {
        if is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let colour = match entry.decision.verdict {
        Verdict::Accepted => "32",
        Verdict::Replayed => "33",
        Verdict::Refused => "31",
    };
    let verdict = styled(colour, verdict(entry));
    let position = styled("1", position);
    let mut text = format!("{position}  {}  {}  {verdict}\n", entry.at, source(entry));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "    {}", printable(&subject(entry)));
    for line in outcome(entry) {
        let _ = writeln!(text, "    {}", styled("2", &printable(&line)));
    }
    if !entry.decision.code.is_empty() {
        let code = styled(colour, &printable(&entry.decision.code));
        let _ = writeln!(text, "    {code}: {}", printable(&entry.decision.detail));
    }
    text
}

fn columns(position: &str, entry: &Entry) -> String {
    let decision = &entry.decision;
    let outcome = match entry.decision.verdict {
        Verdict::Accepted | Verdict::Replayed => outcome(entry).join("; "),
        Verdict::Refused => decision.detail.clone(),
    };
    let columns = [
        position,
        &entry.at.to_string(),
        &source(entry),
        verdict(entry),
        &decision.code,
        &subject(entry),
        &outcome,
    ];
    columns.map(printable).join("\t") + "\n"
}

fn verdict(entry: &Entry) -> &'static str {
    match entry.decision.verdict {
        Verdict::Accepted => "accepted",
        Verdict::Replayed => "replayed",
        Verdict::Refused => "refused",
    }
}

fn source(entry: &Entry) -> String {
    match &entry.source {
        Source::Input { topic, partition, offset } => {
            printable(&format!("{topic}/{partition}/{offset}"))
        }
        Source::Timer { .. } => "timer".to_owned(),
    }
}

/// What the input asks for, or says.
fn subject(entry: &Entry) -> String {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => format!(
                "pay {} {}, payment {}, wallet {}",
                pay.amount, pay.currency, pay.payment_id, pay.wallet_id
            ),
            CommandBody::Cancel(cancel) => {
                format!("cancel payment {}, wallet {}", cancel.payment_id, cancel.wallet_id)
            }
            CommandBody::Refund(refund) => format!(
                "refund {} of payment {}, refund {}, wallet {}",
                refund.amount.map_or_else(|| "all".to_owned(), |amount| amount.to_string()),
                refund.payment_id,
                refund.refund_id,
                refund.wallet_id
            ),
            CommandBody::Transfer(transfer) => format!(
                "transfer {} {}, transfer {}, from wallet {} to wallet {}",
                transfer.amount,
                transfer.currency,
                transfer.transfer_id,
                transfer.wallet_id,
                transfer.to_wallet_id
            ),
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(open) => {
                format!("open a wallet in {}, wallet {}", open.currency, open.wallet_id)
            }
            OperationBody::Deposit(deposit) => format!(
                "deposit {} {}, deposit {}, wallet {}",
                deposit.amount, deposit.currency, deposit.deposit_id, deposit.wallet_id
            ),
            other => operated(other),
        },
        InputBody::GatewayResult(result) => format!(
            "{} {}, payment {}, wallet {}",
            result.gateway,
            said(&result.outcome),
            result.payment_id,
            result.wallet_id
        ),
        InputBody::TransferLeg(leg) => {
            let body = match &leg.body {
                LegBody::CreditAsked {} => "credit",
                LegBody::CreditDone {} => "credited",
                LegBody::CreditRefused { .. } => "refused",
            };
            let (amount, currency) = (leg.amount.minor(), leg.currency);
            format!(
                "{body} {amount} {currency}, transfer {}, wallet {}",
                leg.transfer_id, leg.wallet_id
            )
        }
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => format!("due: {timer_id}"),
            Source::Input { .. } => "a timer as a record".to_owned(),
        },
        InputBody::Unreadable(unreadable) => format!("{} bytes", unreadable.length),
    }
}

/// What an operator asked for, but for openings and deposits.
fn operated(body: &OperationBody) -> String {
    match body {
        OperationBody::OpenWallet(open) => format!("open wallet {}", open.wallet_id),
        OperationBody::Deposit(deposit) => format!("deposit {}", deposit.deposit_id),
        OperationBody::Withdraw(withdraw) => format!(
            "withdraw {} {}, withdrawal {}, wallet {}",
            withdraw.amount, withdraw.currency, withdraw.withdrawal_id, withdraw.wallet_id
        ),
        OperationBody::ReverseDeposit(reverse) => {
            format!("reverse deposit {}, wallet {}", reverse.deposit_id, reverse.wallet_id)
        }
        OperationBody::ReverseWithdrawal(reverse) => {
            format!("reverse withdrawal {}, wallet {}", reverse.withdrawal_id, reverse.wallet_id)
        }
        OperationBody::FreezeWallet(change) => format!("freeze wallet {}", change.wallet_id),
        OperationBody::UnfreezeWallet(change) => format!("unfreeze wallet {}", change.wallet_id),
        OperationBody::CloseWallet(change) => format!("close wallet {}", change.wallet_id),
        OperationBody::SetLimits(limits) => format!("set limits of wallet {}", limits.wallet_id),
        OperationBody::ResolvePayment(resolve) => format!(
            "resolve payment {} as {:?}, wallet {}",
            resolve.payment_id, resolve.outcome, resolve.wallet_id
        ),
        OperationBody::ResolveRefund(resolve) => format!(
            "resolve refund {} as {:?}, wallet {}",
            resolve.refund_id, resolve.outcome, resolve.wallet_id
        ),
        OperationBody::AdoptPolicy(adopt) => format!("adopt configuration {}", adopt.version),
    }
}

fn said(outcome: &GatewayOutcome) -> String {
    match outcome {
        GatewayOutcome::Succeeded { amount, currency, .. } => {
            format!("charged {amount} {currency}")
        }
        GatewayOutcome::Declined { decline_code, .. } => format!("declined: {decline_code}"),
        GatewayOutcome::NotSent { reason } => format!("was not asked: {reason}"),
        GatewayOutcome::ExpiredUnsent {} => "was not asked in time".to_owned(),
        GatewayOutcome::OutcomeUnknown { reason } => format!("may have charged: {reason}"),
        GatewayOutcome::NotFound {} => "knows of no charge".to_owned(),
    }
}

/// What happened, a line for each event.
fn outcome(entry: &Entry) -> Vec<String> {
    entry.events.iter().map(told).collect()
}

#[expect(clippy::too_many_lines, reason = "one arm for each event")]
fn told(event: &Event) -> String {
    let hold = |what: &str, hold: &schemas::event::Hold| {
        format!("{what} {} {}", hold.amount.minor(), hold.currency)
    };
    match event {
        Event::WalletOpened(opened) => format!("wallet opened for {}", opened.user_id),
        Event::DepositRecorded(deposited) => {
            let (amount, currency) = (deposited.amount.minor(), deposited.currency);
            format!("deposited {amount} {currency} by {}", deposited.rail)
        }
        Event::PaymentRequested(_) => "payment requested".to_owned(),
        Event::HoldPlaced(placed) => hold("held", placed),
        Event::HoldPosted(posted) => hold("posted", posted),
        Event::HoldVoided(voided) => hold("released", voided),
        Event::AttemptStarted(started) => {
            format!("attempt {} at {}", started.number, started.gateway)
        }
        Event::GatewayOperationRequested(asked) => {
            format!("{} is asked: {:?} {}", asked.gateway, asked.operation, asked.operation_seq)
        }
        Event::GatewayOperationAnswered(answered) => {
            format!("operation {} is answered", answered.operation_seq)
        }
        Event::ResendScheduled(resend) => format!("again at {}: {}", resend.due, resend.reason),
        Event::PaymentInDoubt(doubt) => format!("payment in doubt: {}", doubt.reason),
        Event::PaymentCompleted(completed) => {
            format!("payment completed: {}", completed.gateway_reference)
        }
        Event::PaymentFailed(failed) => {
            format!("payment failed: {}: {}", failed.code, failed.message)
        }
        Event::DiscrepancyRecorded(found) => {
            format!("discrepancy: {}: {}", found.code, found.detail)
        }
        Event::AttemptAbandoned(left) => format!("attempt abandoned: {}", left.reason),
        Event::PaymentReviewRequested(asked) => format!("payment needs review: {}", asked.reason),
        Event::PaymentResolved(said) => {
            format!("payment resolved as {:?} by {}", said.outcome, said.actor)
        }
        Event::CancelRequested(_) => "cancel requested".to_owned(),
        Event::PaymentCancelled(_) => "payment cancelled".to_owned(),
        Event::SuspenseBooked(booked) => {
            let (amount, currency) = (booked.amount.minor(), booked.currency);
            format!("suspense: {:?} {amount} {currency}: {}", booked.side, booked.code)
        }
        Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::PolicyAdopted(_) => event.name().to_owned(),
        Event::OrphanRecorded(kept) => {
            format!("of an unknown operation, kept: {}", said(&kept.result.outcome))
        }
        Event::OrphanApplied(applied) => {
            format!("said before, counts now: {}", said(&applied.result.outcome))
        }
        Event::RefundRequested(asked) => {
            format!("refund of {} {} requested", asked.amount.minor(), asked.currency)
        }
        Event::RefundResendScheduled(resend) => {
            format!("refund again at {}: {}", resend.due, resend.reason)
        }
        Event::RefundInDoubt(doubt) => format!("refund in doubt: {}", doubt.reason),
        Event::RefundReviewRequested(asked) => format!("refund needs review: {}", asked.reason),
        Event::RefundResolved(said) => {
            format!("refund resolved as {:?} by {}", said.outcome, said.actor)
        }
        Event::RefundSucceeded(done) => format!("refund succeeded: {}", done.gateway_reference),
        Event::RefundFailed(failed) => {
            format!("refund failed: {}: {}", failed.code, failed.message)
        }
        Event::TransferRequested(_) => "transfer requested".to_owned(),
        Event::TransferHeld(one) => format!("held {} {}", one.amount.minor(), one.currency),
        Event::TransferLegRequested(asked) => {
            format!("leg to wallet {}", asked.leg.wallet_id)
        }
        Event::TransferCredited(credited) => {
            format!("credited {} {}", credited.amount.minor(), credited.currency)
        }
        Event::TransferRefused(refused) => format!("transfer refused: {}", refused.code),
        Event::TransferCompleted(_) => "transfer completed".to_owned(),
        Event::TransferFailed(failed) => {
            format!("transfer failed: {}: {}", failed.code, failed.message)
        }
    }
}

/// The whole entry under the names of its schema; bytes as hexadecimal digits.
fn json(position: &str, entry: &Entry) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(entry).map(readable).context("cannot write JSON")?;
    value["position"] = position.into();
    value["at"] = entry.at.to_string().into();
    Ok(format!("{value}\n"))
}

/// Branches of a union become a field `type`; lists of numbers, which only bytes are, become text.
fn readable(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> =
                fields.into_iter().map(|(name, value)| (name, readable(value))).collect();
            let branch = fields.keys().next().filter(|_| fields.len() == 1);
            let Some(name) = branch.and_then(|name| name.strip_prefix(NAMESPACE)) else {
                return Value::Object(fields);
            };
            let name = name.to_owned();
            let Some(Value::Object(mut inner)) = fields.remove(&format!("{NAMESPACE}{name}"))
            else {
                return name.into();
            };
            inner.insert("type".to_owned(), name.into());
            Value::Object(inner)
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_u64) => {
            let bytes = items.iter().filter_map(Value::as_u64);
            let hex = |text: String, byte| format!("{text}{byte:02x}");
            bytes.fold(String::new(), hex).into()
        }
        Value::Array(items) => items.into_iter().map(readable).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use schemas::codec::DecodeError;
    use schemas::entry::{Decision, Input, Unreadable};
    use schemas::{ByteString, EntryHash, SchemaId, Timestamp};

    use super::*;

    fn refused() -> Entry {
        Entry {
            seq: 8,
            prev_hash: EntryHash::from([7; 32]),
            min_reader: 1,
            at: Timestamp::from_millis(1_767_323_045_678),
            policy_version: 1,
            source: Source::Input { topic: "commands".to_owned(), partition: 1, offset: 42 },
            input: Input {
                raw_hash: ByteString(vec![1, 2, 255]),
                schema_id: SchemaId(0),
                body: InputBody::Unreadable(Unreadable {
                    reason: "no frame".to_owned(),
                    length: 23,
                    original: ByteString(b"{}".to_vec()),
                }),
            },
            decision: Decision::refused("unreadable", "a bell \u{7}\trings"),
            events: Vec::new(),
            postings: Vec::new(),
            balances: Vec::new(),
            timers: Vec::new(),
        }
    }

    fn rendered(form: Form, entry: Result<Entry, DecodeError>) -> String {
        let position = "1-7".parse().expect("valid");
        render(form, &JournalRecord { position, key: None, value: None, entry }).expect("rendered")
    }

    #[test]
    fn a_refusal_is_one_line_in_a_pipe_and_harmless() {
        let line = rendered(Form::Plain, Ok(refused()));
        let at = "2026-01-02T03:04:05.678Z";
        let rest = "commands/1/42\trefused\tunreadable\t23 bytes\ta bell \u{fffd}\u{fffd}rings";
        assert_eq!(line, format!("1-7\t{at}\t{rest}\n"));
        let lines = rendered(Form::Terminal, Ok(refused()));
        assert!(lines.contains("unreadable") && !lines.contains('\u{7}'), "{lines}");
        let broken = rendered(Form::Plain, Err(DecodeError::Empty));
        assert!(broken.starts_with("1-7\tnot an entry: "), "{broken}");
    }

    #[test]
    fn json_has_types_and_hexadecimal_bytes() {
        let text = rendered(Form::Json, Ok(refused()));
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["position"], "1-7");
        assert_eq!(value["source"]["type"], "InputSource");
        assert_eq!(value["source"]["offset"], 42);
        assert_eq!(value["input"]["body"]["type"], "Unreadable");
        assert_eq!(value["input"]["body"]["original"], "7b7d");
        assert_eq!(value["input"]["raw_hash"], "0102ff");
        assert_eq!(value["decision"]["code"], "unreadable");
        assert_eq!(value["events"], serde_json::json!([]));
    }
}
