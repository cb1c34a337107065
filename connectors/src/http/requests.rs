//! What callers send, as it stands on the wire. Nothing is proven here: `fields` does that.
//!
//! Fields are optional so that one that is missing is named like one that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use utoipa::ToSchema;

use super::openapi::values;

/// A request to pay: from the wallet of `user_id`, `currency` and `label`, or from `wallet_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({
    "user_id": values::USER_ID, "amount": 10000, "currency": "USD",
    "description": "Payment for services",
})))]
pub(super) struct PaymentRequest {
    /// Whose wallet pays; may be left out when `wallet_id` says which.
    #[schema(value_type = Option<values::UserId>)]
    pub user_id: Option<String>,
    /// Which wallet pays; must agree with `user_id`, `currency` and `label` when both are given.
    #[schema(value_type = Option<values::WalletId>)]
    pub wallet_id: Option<String>,
    /// Which of the user's wallets; `main` unless given.
    #[schema(value_type = Option<values::Label>)]
    pub label: Option<String>,
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    #[schema(value_type = values::Currency)]
    pub currency: Option<String>,
    /// Free text for people, 1024 bytes at most. Profile `production` takes none.
    #[schema(max_length = 1024, examples("Payment for services"))]
    pub description: Option<String>,
    /// Which of the caller's services asks, 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64, examples("checkout"))]
    pub service_id: Option<String>,
    /// Which gateway to charge through; the configured one unless given.
    #[schema(value_type = Option<values::GatewayName>)]
    pub gateway: Option<String>,
    /// An object of the caller's own, 16 KiB of JSON at most. Profile `production` takes none.
    #[schema(value_type = Option<Object>, examples(json!({ "order": "1001" })))]
    pub metadata: Option<BTreeMap<String, Value>>,
}

/// A request to open a wallet. Who owns what is its key: no header is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "user_id": values::USER_ID, "currency": "USD", "label": "savings" })))]
pub(super) struct WalletRequest {
    #[schema(value_type = values::UserId)]
    pub user_id: Option<String>,
    #[schema(value_type = values::Currency)]
    pub currency: Option<String>,
    /// Which of the user's wallets in this currency; `main` unless given.
    #[schema(value_type = Option<values::Label>)]
    pub label: Option<String>,
}

/// A record that money arrived. A rail gives each reference once for each wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
#[schema(examples(json!({ "amount": 5000, "rail": "sepa", "reference": "E2E-1001" })))]
pub(super) struct DepositRequest {
    #[schema(value_type = values::Amount)]
    pub amount: Option<MinorUnits>,
    /// Required in profile `production`; `manual` unless given.
    #[schema(value_type = Option<values::RailName>)]
    pub rail: Option<String>,
    /// What the rail calls it, 1 to 255 bytes. Required in profile `production`; the id of the
    /// deposit unless given.
    #[schema(min_length = 1, max_length = 255, examples("E2E-1001"))]
    pub reference: Option<String>,
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
