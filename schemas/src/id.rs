//! Ids. Each is a newtype whose constructor is proof that the text is well formed.
//!
//! Wallets: `UUIDv5` of who owns what. All others, payments and deposits for example: `UUIDv8`
//! derived from what makes a retry the same thing, so every node gives a retried request the same
//! id. The last 32 bits are the murmur2 of the wallet id: the id alone says which shard knows about
//! it, whatever the number of shards. docs/ids.md has the recipe in Python.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::form;
use crate::routing::{murmur2, shard_of_hash};
use crate::{Currency, Partition, PartitionCount};

/// The namespace of wallet ids: `UUIDv5(DNS, "holdfast")`.
const WALLET_NAMESPACE: Uuid = Uuid::from_u128(0x2049_8a90_d434_5719_8a24_2511_18fa_86b7);

/// Begins the hash of every derived id: the version of the recipe.
const DERIVATION_TAG: &str = "holdfast.id.v1";

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is {expected}")]
pub struct IdInvalid {
    kind: &'static str,
    expected: &'static str,
}

/// A text of `[A-Za-z0-9_-]`-like alphabet and bounded length, checked at construction.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(CompactString);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdInvalid;

            fn from_str(text: &str) -> Result<Self, IdInvalid> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdInvalid { kind: $kind, expected: $expected })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                form::from_text(deserializer)
            }
        }
    };
}

fn is_opaque(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

text_id!(
    /// Whose installation of the product a wallet belongs to.
    TenantId, "tenant", "1 to 64 of A-Z a-z 0-9 _ -", |text| is_opaque(text, 64)
);
text_id!(
    /// Who owns a wallet: opaque to us, no personal data.
    UserId, "user_id", "1 to 64 of A-Z a-z 0-9 _ -", |text| is_opaque(text, 64)
);
text_id!(
    /// Which of a user's wallets in one currency.
    WalletLabel, "label", "1 to 32 of a-z 0-9 _ -",
    |text| is_opaque(text, 32) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
);
text_id!(
    /// The caller's name of one request: what makes a retry the same request.
    IdempotencyKey, "Idempotency-Key", "1 to 255 visible ASCII characters",
    |text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);
text_id!(
    /// Joins everything that one request set in motion, across every boundary.
    CorrelationId, "correlation id", "1 to 128 visible ASCII characters",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);
text_id!(
    /// The name of a configured gateway.
    GatewayName, "gateway", "1 to 32 of a-z 0-9 _ -",
    |text| is_opaque(text, 32) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
);
text_id!(
    /// The name of an external rail that money comes in by, for example `sepa`.
    RailName, "rail", "1 to 32 of a-z 0-9 _ -",
    |text| is_opaque(text, 32) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
);

impl TenantId {
    /// The tenant of an installation that has one.
    pub fn default_tenant() -> Self {
        Self(CompactString::const_new("default"))
    }
}

impl WalletLabel {
    /// The wallet meant when no label is given.
    pub fn main() -> Self {
        Self(CompactString::const_new("main"))
    }
}

/// Room for the text of an id.
pub type IdBuffer = [u8; Hyphenated::LENGTH];

/// Room for the text of an id.
pub const fn id_buffer() -> IdBuffer {
    [0; Hyphenated::LENGTH]
}

/// Of the forms that a UUID can be read from, only the hyphenated one is as long.
fn is_hyphenated_lower_case(text: &str) -> bool {
    text.len() == Hyphenated::LENGTH && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The 16 bytes, the key of stores and views.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Its text, written into this buffer: what formatting gives, without an allocation.
            pub fn encode<'a>(&self, buffer: &'a mut IdBuffer) -> &'a str {
                self.0.hyphenated().encode_lower(buffer)
            }

            /// The id with these 16 bytes, as a store keeps them.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = IdInvalid;

            /// Only the hyphenated lower-case form: ids are compared as text by others.
            fn from_str(text: &str) -> Result<Self, IdInvalid> {
                Some(text)
                    .filter(|text| is_hyphenated_lower_case(text))
                    .and_then(|text| Uuid::try_parse(text).ok())
                    .map(Self)
                    .ok_or(IdInvalid { kind: $kind, expected: "a hyphenated lower-case UUID" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(self.encode(&mut id_buffer()))
                } else {
                    serializer.serialize_bytes(self.as_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    form::from_text(deserializer)
                } else {
                    form::from_bytes(deserializer).map(Self::from_bytes)
                }
            }
        }
    };
}

uuid_id!(
    /// A wallet: one owner, one currency, one label.
    WalletId, "a wallet id"
);
uuid_id!(
    /// A payment.
    PaymentId, "a payment id"
);
uuid_id!(
    /// A deposit.
    DepositId, "a deposit id"
);
uuid_id!(
    /// A withdrawal.
    WithdrawalId, "a withdrawal id"
);
uuid_id!(
    /// A refund of a payment, or of a charge that nobody wants.
    RefundId, "a refund id"
);
uuid_id!(
    /// A transfer from wallet to wallet.
    TransferId, "a transfer id"
);
uuid_id!(
    /// An operation at a gateway: one attempt of a payment, or a refund. Also the idempotency key
    /// that the gateway gets.
    OperationId, "an operation id"
);

impl WalletId {
    /// The wallet of this owner, currency and label.
    pub fn derive(
        tenant: &TenantId,
        user: &UserId,
        currency: Currency,
        label: &WalletLabel,
    ) -> Self {
        let name =
            length_prefixed(&[tenant.as_str(), user.as_str(), currency.code(), label.as_str()]);
        Self(Uuid::new_v5(&WALLET_NAMESPACE, &name))
    }

    /// The shard it lives on, of so many.
    pub fn shard(self, count: PartitionCount) -> Partition {
        shard_of_hash(self.routing_hash(), count)
    }

    fn routing_hash(self) -> u32 {
        murmur2(self.encode(&mut id_buffer()).as_bytes())
    }
}

impl PaymentId {
    /// The payment that this key asks of this wallet.
    pub fn derive(tenant: &TenantId, wallet: WalletId, key: &IdempotencyKey) -> Self {
        let mut buffer = id_buffer();
        let parent = wallet.encode(&mut buffer);
        Self(derive(tenant, "payment", parent, key.as_str(), wallet.routing_hash()))
    }

    /// The shard of its wallet, of so many.
    pub fn shard(self, count: PartitionCount) -> Partition {
        shard_of_hash(self.routing_hash(), count)
    }

    fn routing_hash(self) -> u32 {
        let [.., a, b, c, d] = *self.0.as_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl DepositId {
    /// The deposit that this key asks of this wallet.
    pub fn derive(tenant: &TenantId, wallet: WalletId, key: &IdempotencyKey) -> Self {
        let mut buffer = id_buffer();
        let parent = wallet.encode(&mut buffer);
        Self(derive(tenant, "deposit", parent, key.as_str(), wallet.routing_hash()))
    }
}

impl WithdrawalId {
    /// The withdrawal that this key asks of this wallet.
    pub fn derive(tenant: &TenantId, wallet: WalletId, key: &IdempotencyKey) -> Self {
        let mut buffer = id_buffer();
        let parent = wallet.encode(&mut buffer);
        Self(derive(tenant, "withdrawal", parent, key.as_str(), wallet.routing_hash()))
    }
}

impl TransferId {
    /// The transfer that this key asks of the wallet that sends.
    pub fn derive(tenant: &TenantId, from: WalletId, key: &IdempotencyKey) -> Self {
        let mut buffer = id_buffer();
        let parent = from.encode(&mut buffer);
        Self(derive(tenant, "transfer", parent, key.as_str(), from.routing_hash()))
    }
}

impl RefundId {
    /// The refund that this key asks of this payment.
    pub fn derive(tenant: &TenantId, payment: PaymentId, key: &IdempotencyKey) -> Self {
        let mut buffer = id_buffer();
        let parent = payment.encode(&mut buffer);
        Self(derive(tenant, "refund", parent, key.as_str(), payment.routing_hash()))
    }

    /// The refund of a charge that nobody wants: one for each attempt.
    pub fn of_charge(tenant: &TenantId, payment: PaymentId, attempt: OperationId) -> Self {
        let mut buffer = id_buffer();
        let parent = attempt.encode(&mut buffer);
        Self(derive(tenant, "unwanted-charge", parent, "1", payment.routing_hash()))
    }

    /// The refund that an operation at a gateway is for: it is its key.
    pub fn of_operation(operation: OperationId) -> Self {
        Self(operation.0)
    }
}

impl OperationId {
    /// What the gateway knows a refund by.
    pub fn refund(refund: RefundId) -> Self {
        Self(refund.0)
    }

    /// The attempt of a payment with this number, counted from 1.
    pub fn attempt(tenant: &TenantId, payment: PaymentId, number: u32) -> Self {
        let mut buffer = id_buffer();
        let parent = payment.encode(&mut buffer);
        Self(derive(tenant, "attempt", parent, &number.to_string(), payment.routing_hash()))
    }
}

/// 90 bits of SHA-256 over the parts, version 8, and the routing hash in the last 32 bits.
fn derive(tenant: &TenantId, operation: &str, parent: &str, key: &str, routing_hash: u32) -> Uuid {
    let parts = length_prefixed(&[DERIVATION_TAG, tenant.as_str(), operation, parent, key]);
    let digest = Sha256::digest(parts);
    let mut bytes = [0; 16];
    bytes[..12].copy_from_slice(&digest[..12]);
    bytes[12..].copy_from_slice(&routing_hash.to_be_bytes());
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Each part after its length (32 bits, big-endian), so that no two lists look alike.
pub(crate) fn length_prefixed(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let length = u32::try_from(part.len()).expect("a part is a short text");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
