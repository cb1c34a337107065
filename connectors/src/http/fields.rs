//! Proves the plain fields of a request, or refuses them by name.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemas::{Amount, AmountInvalid, Currency, ErrorCode, Sealed};
use serde_json::Value;

use super::Profile;
use super::problem::Problem;
use super::requests::MinorUnits;

/// The longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1 << 10;
/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1 << 10;
/// The longest evidence, in bytes.
const MAX_EVIDENCE_BYTES: usize = 4 << 10;
/// The longest metadata object, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 16 << 10;

/// A field that must be there.
pub(super) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Problem> {
    let missing = || Problem::invalid_request(format!("field {name} is missing")).param(name);
    value.ok_or_else(missing)
}

/// A field of a type that proves itself.
pub(super) fn parse<T: FromStr>(name: &'static str, text: &str) -> Result<T, Problem>
where
    T::Err: Display,
{
    text.parse().map_err(|error| {
        Problem::because(ErrorCode::FieldInvalid, format!("field {name}: {error}")).param(name)
    })
}

/// A required amount.
pub(super) fn amount(value: Option<MinorUnits>) -> Result<Amount, Problem> {
    let MinorUnits(minor) = required("amount", value)?;
    Amount::try_from(minor).map_err(|invalid| {
        let code = match invalid {
            AmountInvalid::NotPositive => ErrorCode::AmountNotPositive,
            AmountInvalid::TooLarge => ErrorCode::AmountTooLarge,
        };
        Problem::of(code).param("amount")
    })
}

/// A currency.
pub(super) fn currency(code: &str) -> Result<Currency, Problem> {
    code.parse().map_err(|_| Problem::of(ErrorCode::CurrencyUnknown).param("currency"))
}

/// A text for machines: bounded and without control characters.
pub(super) fn bounded(
    name: &'static str,
    text: &str,
    length: RangeInclusive<usize>,
) -> Result<(), Problem> {
    if length.contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let (least, most) = length.into_inner();
    let detail =
        format!("field {name}: {least} to {most} bytes of text without control characters");
    Err(Problem::because(ErrorCode::FieldInvalid, detail).param(name))
}

/// The free text of a payment, sealed.
pub(super) fn description(text: &str, profile: Profile) -> Result<Sealed, Problem> {
    seal("description", text, MAX_DESCRIPTION_BYTES, profile)
}

/// Why somebody wants something, sealed.
pub(super) fn reason(text: Option<&str>, profile: Profile) -> Result<Option<Sealed>, Problem> {
    text.map(|text| seal("reason", text, MAX_REASON_BYTES, profile)).transpose()
}

/// How a person knows how something ended, sealed.
pub(super) fn evidence(text: &str, profile: Profile) -> Result<Sealed, Problem> {
    seal("evidence", text, MAX_EVIDENCE_BYTES, profile)
}

/// The caller's own object, sealed in one canonical form: compact, names in order. So a retry that
/// writes it another way is the same request. Numbers beyond 64 bits are kept as floats.
pub(super) fn metadata(
    mut object: BTreeMap<String, Value>,
    profile: Profile,
) -> Result<Sealed, Problem> {
    object.values_mut().for_each(Value::sort_all_objects);
    let text = serde_json::to_string(&object).map_err(Problem::internal)?;
    seal("metadata", &text, MAX_METADATA_BYTES, profile)
}

fn seal(
    name: &'static str,
    text: &str,
    most_bytes: usize,
    profile: Profile,
) -> Result<Sealed, Problem> {
    if text.len() > most_bytes {
        let detail = format!("field {name}: at most {most_bytes} bytes");
        return Err(Problem::because(ErrorCode::FieldInvalid, detail).param(name));
    }
    match profile {
        Profile::Dev => Ok(Sealed::plaintext(text)),
        Profile::Production => Err(Problem::because(
            ErrorCode::FieldInvalid,
            format!("field {name}: profile production takes no text that it cannot encrypt"),
        )
        .param(name)),
    }
}
