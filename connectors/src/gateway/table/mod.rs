//! The table of gateways: which there are, how each is reached, what it promises, and which is
//! asked first for a payment of some currency and amount.
//!
//! A TOML file, because operators write it by hand and comment it. `docs/gateways.md` describes it.
//! Invariants: an instance is valid ([`checks`]): names are unique, every route leads to gateways
//! of the table, no promise is one that the kind of gateway cannot keep. Secrets stand in it by
//! reference only, so that the table can be shown and logged.
//!
//! It deliberately does not know what the saga does with the order or with a promise.

mod checks;
mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemas::{Amount, Currency, GatewayName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use row::{GatewayKind, GatewayRow, InquiryKind, RowUnusable};

/// The table of gateways, valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayTable {
    #[serde(rename = "gateway")]
    gateways: Vec<GatewayRow>,
    #[serde(rename = "route")]
    routes: Vec<Route>,
}

/// Which gateways take a payment, the first one first. The first route that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// For these currencies; none means every currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currencies: Option<BTreeSet<Currency>>,
    /// From this amount on, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Amount>,
    /// Up to this amount, itself included, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Amount>,
    /// These, in this order.
    pub gateways: Vec<GatewayName>,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "gateway")]
    gateways: Vec<GatewayRow>,
    #[serde(default, rename = "route")]
    routes: Vec<Route>,
}

/// What is wrong with a table: all of it, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TableInvalid(pub Vec<Fault>);

/// One thing that is wrong, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {wrong}")]
pub struct Fault {
    /// The row and the field.
    pub place: String,
    /// What is wrong with it, and what to change.
    pub wrong: String,
}

impl GatewayTable {
    /// Reads a table.
    ///
    /// # Errors
    /// Everything that is wrong with it, by row and field.
    pub fn parse(toml: &str) -> Result<Self, TableInvalid> {
        let written: Written = toml::from_str(toml).map_err(|error| {
            // Without the line itself, in which somebody may have written a secret.
            let before = error.span().and_then(|span| toml.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let place = format!("the table of gateways, line {line}");
            TableInvalid(vec![Fault { place, wrong: error.message().trim_end().to_owned() }])
        })?;
        Self::new(written.gateways, written.routes)
    }

    /// A table of these rows; without routes every payment has all gateways, in their order.
    ///
    /// # Errors
    /// Everything that is wrong with them, by row and field.
    pub fn new(gateways: Vec<GatewayRow>, routes: Vec<Route>) -> Result<Self, TableInvalid> {
        let faults = checks::faults(&gateways, &routes);
        if !faults.is_empty() {
            return Err(TableInvalid(faults));
        }
        let all = || gateways.iter().map(|row| row.name.clone()).collect();
        let routes = if routes.is_empty() {
            vec![Route { currencies: None, from: None, to: None, gateways: all() }]
        } else {
            routes
        };
        Ok(Self { gateways, routes })
    }

    /// The gateways, in the order of the table.
    pub fn gateways(&self) -> &[GatewayRow] {
        &self.gateways
    }

    /// The gateway of this name.
    pub fn gateway(&self, name: &GatewayName) -> Option<&GatewayRow> {
        self.gateways.iter().find(|row| row.name == *name)
    }

    /// The routes, in their order. Never empty.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The gateways for a payment, the first one first; none if no route fits.
    pub fn order(&self, amount: Amount, currency: Currency) -> &[GatewayName] {
        let route = self.routes.iter().find(|route| route.fits(amount, currency));
        route.map_or(&[], |route| &route.gateways)
    }
}

impl Route {
    /// Whether it is for such payments.
    pub fn fits(&self, amount: Amount, currency: Currency) -> bool {
        self.currencies.as_ref().is_none_or(|currencies| currencies.contains(&currency))
            && self.from.is_none_or(|from| from <= amount)
            && self.to.is_none_or(|to| amount <= to)
    }

    /// Whether every payment that `later` is for is for this one already.
    fn covers(&self, later: &Self) -> bool {
        let currencies = match (&self.currencies, &later.currencies) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.is_subset(ours),
        };
        let from = self.from.is_none_or(|ours| later.from.is_some_and(|theirs| ours <= theirs));
        let to = self.to.is_none_or(|ours| later.to.is_some_and(|theirs| theirs <= ours));
        currencies && from && to
    }
}
