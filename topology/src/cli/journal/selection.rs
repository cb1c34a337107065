//! Which entries are asked for, and where in the journal they can be.

use std::fmt;
use std::str::FromStr;

use schemas::entry::{Entry, InputBody, Source, Verdict};
use schemas::inputs::{CommandBody, OperationBody};
use schemas::{Offset, Partition, Position, Timestamp, Topic};

use super::reader::{Extent, JournalRecord};

/// What an entry must be to be shown; all that is given must fit.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pub wallet: Option<String>,
    pub payment: Option<String>,
    pub command_id: Option<String>,
    pub source: Option<Place>,
    pub refused: bool,
}

/// Where a record of an input topic stands: `commands/1/42`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    topic: Topic,
    partition: Partition,
    offset: Offset,
}

/// A text that names no place of an input topic.
#[derive(Debug, thiserror::Error)]
#[error("a source reads <topic>/<partition>/<offset>, for example commands/1/42; the topics: {0}")]
pub(super) struct PlaceInvalid(String);

impl FromStr for Place {
    type Err = PlaceInvalid;

    fn from_str(text: &str) -> Result<Self, PlaceInvalid> {
        let parse = || {
            let mut parts = text.split('/');
            let topic = parts.next()?;
            let place = Self {
                topic: Topic::INPUTS.into_iter().find(|input| input.label() == topic)?,
                partition: Partition::new(parts.next()?.parse().ok()?)?,
                offset: Offset::new(parts.next()?.parse().ok()?)?,
            };
            parts.next().is_none().then_some(place)
        };
        parse().ok_or_else(|| PlaceInvalid(Topic::INPUTS.map(Topic::label).join(", ")))
    }
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// With the first entry.
    Beginning,
    /// With the next one to come.
    End,
    /// With the first one that was written then or later.
    Time(Timestamp),
    /// With this one, in its partition alone.
    Position(Position),
}

/// A text that says nothing of where to begin.
#[derive(Debug, thiserror::Error)]
#[error("write beginning, end, a time (2026-01-02T03:04:05Z) or a position (1-42)")]
pub(super) struct StartInvalid;

impl FromStr for Start {
    type Err = StartInvalid;

    fn from_str(text: &str) -> Result<Self, StartInvalid> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            text => {
                let position = text.parse().map(Self::Position);
                position.or_else(|_| text.parse().map(Self::Time)).map_err(|_| StartInvalid)
            }
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning => formatter.write_str("beginning"),
            Self::End => formatter.write_str("end"),
            Self::Time(time) => time.fmt(formatter),
            Self::Position(position) => position.fmt(formatter),
        }
    }
}

impl Selection {
    /// The extents in which it can find something. The entry of a record is in the partition that
    /// the record came on. What is about a wallet can be in any: a misrouted record is.
    pub fn extents(&self, extents: Vec<Extent>) -> Vec<Extent> {
        let Some(source) = &self.source else { return extents };
        extents.into_iter().filter(|extent| extent.partition == source.partition).collect()
    }

    /// Whether a record is to be shown. One that is no entry fits nothing that is asked of entries,
    /// and is shown when nothing is.
    pub fn wants(&self, record: &JournalRecord<'_>) -> bool {
        let Ok(entry) = &record.entry else { return self.is_empty() };
        let fits = |asked: &Option<String>, found: &dyn Fn(&str) -> bool| {
            asked.as_deref().is_none_or(found)
        };
        (!self.refused || entry.decision.verdict == Verdict::Refused)
            && self.source.as_ref().is_none_or(|place| place.is_of(entry))
            && fits(&self.command_id, &|id| entry.command_id() == Some(id))
            && fits(&self.wallet, &|id| wallet_of(entry).eq_ignore_ascii_case(id))
            && fits(&self.payment, &|id| is_about(entry, id))
    }

    fn is_empty(&self) -> bool {
        let Self { wallet, payment, command_id, source, refused } = self;
        !refused
            && source.is_none()
            && [wallet, payment, command_id].into_iter().all(Option::is_none)
    }
}

impl Place {
    fn is_of(&self, entry: &Entry) -> bool {
        match &entry.source {
            Source::Input { topic, partition, offset } => {
                *topic == self.topic.label()
                    && *partition == self.partition.number()
                    && *offset == self.offset.number()
            }
            Source::Timer { .. } => false,
        }
    }
}

/// The wallet that an entry is about, as its input names it; empty when it names none.
fn wallet_of(entry: &Entry) -> String {
    processors::key_of(entry)
}

/// Whether an entry is about this payment: its input asks for it, or its events tell of it.
fn is_about(entry: &Entry, payment: &str) -> bool {
    let asked = match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.payment_id.eq_ignore_ascii_case(payment),
            CommandBody::Cancel(cancel) => cancel.payment_id.eq_ignore_ascii_case(payment),
            CommandBody::Refund(refund) => refund.payment_id.eq_ignore_ascii_case(payment),
            CommandBody::Transfer(_) => false,
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::ResolvePayment(resolve) => {
                resolve.payment_id.eq_ignore_ascii_case(payment)
            }
            OperationBody::OpenWallet(_)
            | OperationBody::Deposit(_)
            | OperationBody::Withdraw(_)
            | OperationBody::ReverseDeposit(_)
            | OperationBody::ReverseWithdrawal(_)
            | OperationBody::FreezeWallet(_)
            | OperationBody::UnfreezeWallet(_)
            | OperationBody::CloseWallet(_)
            | OperationBody::SetLimits(_)
            | OperationBody::ResolveRefund(_)
            | OperationBody::AdoptPolicy(_) => false,
        },
        InputBody::GatewayResult(result) => result.payment_id.to_string() == payment,
        InputBody::TransferLeg(_) | InputBody::TimerFired {} | InputBody::Unreadable(_) => false,
    };
    let told = || entry.events.iter().filter_map(processors::payment_of);
    asked || told().any(|id| id.to_string().eq_ignore_ascii_case(payment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_beginnings_are_read() {
        let place: Place = "gateway-results/1/42".parse().expect("valid");
        assert_eq!(place.topic, Topic::GatewayResults);
        for text in ["", "commands", "commands/1", "commands/1/2/3", "journal/1/2", "commands/-1/2"]
        {
            let error = text.parse::<Place>().expect_err(text).to_string();
            assert!(error.contains("commands/1/42"), "{error}");
        }
        for text in ["beginning", "end", "1-42", "2026-01-02T03:04:05.000Z"] {
            assert_eq!(text.parse::<Start>().expect(text).to_string(), text);
        }
        assert!("yesterday".parse::<Start>().is_err());
    }
}
