//! What callers send, as it stands on the wire. Nothing is proven here: `fields` does that.
//!
//! Fields are optional so that one that is missing is named like one that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// Body of `POST /payments`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct PaymentRequest {
    pub user_id: Option<String>,
    pub wallet_id: Option<String>,
    pub label: Option<String>,
    pub amount: Option<MinorUnits>,
    pub currency: Option<String>,
    pub description: Option<String>,
    pub service_id: Option<String>,
    pub gateway: Option<String>,
    pub metadata: Option<BTreeMap<String, Value>>,
}

/// Body of `POST /wallets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct WalletRequest {
    pub user_id: Option<String>,
    pub currency: Option<String>,
    pub label: Option<String>,
}

/// Body of `POST /wallets/{wallet_id}/deposits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct DepositRequest {
    pub amount: Option<MinorUnits>,
    pub rail: Option<String>,
    pub reference: Option<String>,
}

/// Body of `POST /wallets/{wallet_id}/withdrawals`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct WithdrawalRequest {
    pub amount: Option<MinorUnits>,
    pub rail: Option<String>,
    pub reference: Option<String>,
}

/// Body of `POST /payments/{payment_id}/refunds`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct RefundRequest {
    pub amount: Option<MinorUnits>,
    pub reason: Option<String>,
}

/// Body of `POST /transfers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct TransferRequest {
    pub from_wallet_id: Option<String>,
    pub to_wallet_id: Option<String>,
    pub amount: Option<MinorUnits>,
    pub description: Option<String>,
}

/// Body of `POST /payments/{payment_id}/resolve` and `POST /refunds/{refund_id}/resolve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct ResolutionRequest {
    pub outcome: Option<String>,
    pub evidence: Option<String>,
    pub amount: Option<MinorUnits>,
    pub gateway_reference: Option<String>,
    pub actor: Option<String>,
}

/// Body of a request that may say why: a reversal, a freeze, a closure.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct ReasonedRequest {
    pub reason: Option<String>,
}

/// Body of `POST /payments/{payment_id}/cancel`: there is nothing to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct CancelRequest {}

/// Body of `PUT /wallets/{wallet_id}/limits`: what is left out, or null, has no limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub(super) struct LimitsRequest {
    pub per_payment: Option<MinorUnits>,
    pub per_day: Option<MinorUnits>,
    pub in_flight: Option<MinorUnits>,
}

/// A JSON integer of any size: one too large for 64 bits is as much too large as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MinorUnits(pub i64);

/// From here on every integer is exact as a float, and serde gives integers beyond 64 bits as one.
const FLOATS_ARE_WHOLE: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = MinorUnits;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number of minor units")
            }

            fn visit_i64<E: de::Error>(self, minor: i64) -> Result<MinorUnits, E> {
                Ok(MinorUnits(minor))
            }

            fn visit_u64<E: de::Error>(self, minor: u64) -> Result<MinorUnits, E> {
                Ok(MinorUnits(i64::try_from(minor).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: de::Error>(self, minor: f64) -> Result<MinorUnits, E> {
                if minor >= FLOATS_ARE_WHOLE {
                    Ok(MinorUnits(i64::MAX))
                } else if minor <= -FLOATS_ARE_WHOLE {
                    Ok(MinorUnits(i64::MIN))
                } else {
                    Err(E::invalid_type(de::Unexpected::Float(minor), &self))
                }
            }
        }

        deserializer.deserialize_i64(Visitor)
    }
}
