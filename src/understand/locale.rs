//! Where and in which language a conversation is held.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::words::WordLists;
use crate::model::Settings;

/// Language, time zone and phone region, with the words of the languages that are in use.
#[derive(Debug, Clone)]
pub struct Locale {
    /// Language, with a region or without: `en`, `de-AT`.
    pub language: Arc<str>,
    /// Where relative dates are reckoned.
    pub timezone: TimeZone,
    /// ISO 3166 region of phone numbers without a prefix.
    pub region: Arc<str>,
    pub(super) words: Arc<WordLists>,
}

impl Locale {
    /// The locale of a workspace: its `locale`, and the word lists of its `words`.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            language: settings.locale.clone(),
            timezone: settings.time_zone(),
            region: settings.phone_region.to_uppercase().into(),
            words: Arc::new(WordLists::new(&settings.locale, &settings.words)),
        }
    }

    /// The language without its region.
    #[must_use]
    pub fn base(&self) -> &str {
        self.language.split(['-', '_']).next().unwrap_or("en")
    }

    /// Whether `3/4` is the fourth of March.
    pub(super) fn month_first(&self) -> bool {
        match self.language.split_once(['-', '_']) {
            Some((language, region)) => language == "en" && region.eq_ignore_ascii_case("us"),
            None => &*self.language == "en" && &*self.region == "US",
        }
    }

    /// The day that it is there.
    pub(super) fn today(&self, now: Timestamp) -> Date {
        now.to_zoned(self.timezone.clone()).date()
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}
