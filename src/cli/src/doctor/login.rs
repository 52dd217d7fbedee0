//! The login itself: whether it can be refreshed, and whether clients use it at all. Tokens are hashed with a key of
//! this run, and never leave the function that reads them.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lockspan_core::pair::{self, Generation};
use serde::Deserialize;

use super::{Outcome, Problem, Subject, fault, skipped};
use crate::client::{self, Instead};

/// The credentials file, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    #[serde(borrow)]
    claude_ai_oauth: Option<Tokens<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens<'a> {
    access_token: Option<std::borrow::Cow<'a, str>>,
    refresh_token: Option<std::borrow::Cow<'a, str>>,
    /// Milliseconds since the epoch.
    expires_at: Option<f64>,
}

/// Which pair of tokens a credentials file has; `None` if it has none.
pub fn generation(credentials: &Path) -> Option<Generation> {
    let text = client::read(credentials).ok()?;
    pair::pair(&text).map(|pair| pair::generation(Some(pair)))
}

/// What a client uses instead of the shared login, and how to stop that.
fn other_credential() -> Option<(&'static str, String)> {
    let name = match client::instead()? {
        Instead::Key(client::KEY_HELPER) => {
            return Some((client::KEY_HELPER, format!("remove {} from settings.json", client::KEY_HELPER)));
        }
        Instead::Key(variable) => variable,
        Instead::SetupToken => client::SETUP_TOKEN,
    };
    Some((name, format!("unset {name}")))
}

pub fn login(subject: &Subject<'_>) -> Outcome {
    const LOG_IN: &str = "claude /login    # in one container; the others follow";
    let path = subject.credentials()?;
    if let Some((name, _)) = other_credential() {
        return skipped(format!("{name} is used instead"));
    }
    let text = match client::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fault(format!("{} is missing: nobody has logged in", path.display()), LOG_IN);
        }
        Err(error) => return Err(error.into()),
    };
    if pair::pair(&text).is_none() {
        let what = if text.trim_ascii().is_empty() { "is empty" } else { "has no token" };
        return fault(format!("{} {what}: logged out", path.display()), LOG_IN);
    }
    let Ok(Credentials { claude_ai_oauth: Some(tokens) }) = serde_json::from_slice(&text) else {
        return fault(format!("{} is no whole JSON", path.display()), LOG_IN);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64;
    let minutes = |milliseconds: f64| span((milliseconds / 60_000.0) as u64);
    let can_refresh = tokens.refresh_token.is_some_and(|token| !token.is_empty());
    match tokens.expires_at {
        Some(expires) if expires > now => Ok(format!("access token good for {}", minutes(expires - now))),
        Some(expires) if can_refresh => Ok(format!(
            "healthy: access token expired {} ago, the next client refreshes it",
            minutes(now - expires)
        )),
        _ if can_refresh => Ok("healthy: there is a refresh token".into()),
        _ => fault(
            format!("{}: the access token is old and there is no refresh token", path.display()),
            LOG_IN,
        ),
    }
}

fn span(minutes: u64) -> String {
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

pub fn winner(_: &Subject<'_>) -> Outcome {
    match other_credential() {
        None => Ok(String::new()),
        Some((name, how)) => fault(
            format!("{name} wins over the shared login"),
            format!("{how}, if clients are to use the shared login"),
        ),
    }
}

pub fn snapshot(subject: &Subject<'_>) -> Outcome {
    let text = match client::read(&subject.credentials()?) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return skipped("no credentials file"),
        Err(error) => return Err(Problem::from(error)),
    };
    let key = RandomState::new();
    let tokens = serde_json::from_slice(&text).ok().and_then(|found: Credentials<'_>| found.claude_ai_oauth);
    let Some(own) = tokens.and_then(|tokens| tokens.access_token).filter(|token| !token.is_empty()) else {
        return skipped("no access token");
    };
    let own = key.hash_one(own.as_bytes());
    for name in client::SECRETS {
        let is_copy = std::env::var(name).is_ok_and(|value| key.hash_one(value.as_bytes()) == own);
        if is_copy {
            return fault(
                format!("{name} is a copy of the file's access token, which nobody refreshes there"),
                format!("unset {name}; for a token of its own: claude setup-token"),
            );
        }
    }
    Ok(String::new())
}
