//! The language of holdfast: money, ids, records and how they are written to the log.
//!
//! What two parts of the system, or two versions of it, must agree on lives here and nowhere else.
//! This crate decides nothing and talks to nobody: no clock, no randomness, no Kafka.

pub mod account;
mod chain;
pub mod codec;
mod compose;
pub mod dead_letter;
pub mod entry;
mod error_code;
pub mod event;
mod fingerprint;
mod form;
mod id;
pub mod inputs;
mod money;
mod position;
pub mod read_model;
mod routing;
mod sealed;
mod time;
pub mod timeline;
mod topic;

pub use chain::EntryHash;
pub use codec::{SchemaFingerprint, SchemaId};
pub use error_code::ErrorCode;
pub use fingerprint::Fingerprint;
pub use id::{
    CorrelationId, DepositId, GatewayName, IdBuffer, IdInvalid, IdempotencyKey, OperationId,
    PaymentId, RailName, RefundId, TenantId, TransferId, UserId, WalletId, WalletLabel,
    WithdrawalId, id_buffer,
};
pub use money::{Amount, AmountInvalid, Currency, CurrencyUnknown, MAX_AMOUNT_MINOR, Money};
pub use position::{
    Offset, Partition, PartitionCount, PartitionCountOutOfRange, Position, PositionInvalid,
};
pub use routing::{murmur2, shard_of_hash};
pub use sealed::{ByteString, Sealed};
pub use time::{Timestamp, TimestampInvalid};
pub use topic::{Retention, Topic, TopicName, TopicPrefix, TopicPrefixInvalid};
