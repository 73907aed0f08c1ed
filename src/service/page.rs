//! The page on which a user answers a question that an agent relays a link to. The link is bound to the question, the conversation and its
//! user, and says nothing by itself: the question is shown, and an answer taken, only with the host's signed word that its user is there.

use std::sync::Arc;

use jiff::SignedDuration;
use subtle::ConstantTimeEq;

use super::Service;
use super::error::ServiceError;
use super::token::Unbelieved;
use crate::driver::{DriverError, Sent, Turn, TurnResult};
use crate::engine::answer::Question;
use crate::engine::{Actor, Command, Principal, State};
use crate::store::{ConversationKey, Store};

/// Digits of a link's code.
const CODE: usize = 32;
/// Bytes that stand as they are in a link and in what is asked for with it.
const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A link's last parts, as somebody sends them.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The conversation.
    pub conversation: Arc<str>,
    /// Until when it may be used, and its code.
    pub seal: Arc<str>,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Nobody has said who is there: where the host does.
    SignIn {
        /// The host's page.
        at: String,
        /// Why the word that came was not believed, if one came.
        why: Option<Unbelieved>,
    },
    /// The question, to its user.
    Question(Arc<str>),
    /// The user's answer was taken: what is said to it, and the link to the next question, if one follows.
    Taken(Vec<Arc<str>>, Option<String>),
    /// It is somebody else's.
    Theirs,
    /// Its time is over.
    Expired,
    /// It was answered otherwise, has changed, or never was.
    Gone,
}

impl Service {
    /// A link to the question that stands in a conversation, for whoever cannot answer it to relay. None where the page would not know its
    /// user: without keys, without a user, or where no host signs users in.
    pub async fn question_link(&self, key: &ConversationKey) -> Result<Option<String>, ServiceError> {
        let settings = &self.workspace().settings;
        let live = self.live();
        let (Some(base), Some(_), Some(_), false) = (&settings.server_url, &settings.sign_in, &live.tokens, live.access.is_open()) else {
            return Ok(None);
        };
        let Some((state, question)) = self.asked(key).await? else { return Ok(None) };
        let Some(user) = user(&state) else { return Ok(None) };
        let ttl = i64::try_from(settings.limits.grant_ttl_s).unwrap_or(i64::MAX);
        let now = self.runtime().clock().now();
        let until = now.checked_add(SignedDuration::from_secs(ttl)).unwrap_or(jiff::Timestamp::MAX).as_second();
        let code = self.code(key, &question, user, until);
        let path = path(&key.tenant, &key.id, &format!("{until}-{code}"));
        Ok(Some(format!("{}/questions/{path}", base.trim_end_matches('/'))))
    }

    /// The page of a link: with the host's word of who is there, the question; with that and an answer, what comes of it.
    pub async fn question_page(&self, ticket: &Ticket, token: Option<&str>, answer: Option<bool>) -> Result<Page, ServiceError> {
        let live = self.live();
        let (Some(tokens), Some(sign_in), false) = (&live.tokens, &self.workspace().settings.sign_in, live.access.is_open()) else {
            return Ok(Page::Gone);
        };
        let Some((until, code)) = ticket.seal.split_once('-').and_then(|(until, code)| Some((until.parse::<i64>().ok()?, code))) else {
            return Ok(Page::Gone);
        };
        let now = self.runtime().clock().now();
        if until <= now.as_second() {
            return Ok(Page::Expired);
        }
        let key = ConversationKey::new(ticket.tenant.clone(), ticket.conversation.clone());
        // Good for this question alone: a token that a host signs for anything else answers nothing.
        let nonce = format!("question:{code}");
        let mine = |state: &State, question: &Question| {
            let code_of = |user: &Arc<str>| self.code(&key, question, user, until);
            user(state).filter(|user| bool::from(code_of(user).as_bytes().ct_eq(code.as_bytes()))).cloned()
        };
        let asked = self.asked(&key).await?;
        let Some((user, question)) = asked.and_then(|(state, question)| Some((mine(&state, &question)?, question))) else {
            let (Some(yes), Some(token)) = (answer, token) else { return Ok(Page::Gone) };
            return match tokens.identity(token, &nonce, now) {
                Ok(identity) => self.answered_before(&key, &identity.subject, yes, code).await,
                Err(_) => Ok(Page::Gone),
            };
        };
        let sign_in = |why| {
            let joint = if sign_in.contains('?') { '&' } else { '?' };
            let question = encoded(&path(&key.tenant, &key.id, &ticket.seal));
            Page::SignIn { at: format!("{sign_in}{joint}question={question}&nonce={}", encoded(&nonce)), why }
        };
        let Some(token) = token else { return Ok(sign_in(None)) };
        let identity = match tokens.identity(token, &nonce, now) {
            Ok(identity) => identity,
            Err(why) => return Ok(sign_in(Some(why))),
        };
        if identity.subject != user {
            return Ok(Page::Theirs);
        }
        match answer {
            None => Ok(Page::Question(question.text)),
            Some(yes) => self.take(&key, &question, yes, code).await,
        }
    }

    /// The user's own answer, given on the page.
    async fn take(&self, key: &ConversationKey, question: &Question, yes: bool, code: &str) -> Result<Page, ServiceError> {
        let result = self.answered(key, question, yes, ("page", "page".into()), code).await?;
        if result.answer.refused.is_some() {
            return Ok(Page::Gone);
        }
        let next = self.question_link(key).await?;
        Ok(Page::Taken(result.answer.messages, next))
    }

    /// What the same answer to a question came to, for whoever gives it again: a button is easily pressed twice.
    async fn answered_before(&self, key: &ConversationKey, subject: &str, yes: bool, code: &str) -> Result<Page, ServiceError> {
        let id = sent_as("page", yes, code);
        let reply = self.runtime().store().reply(key, &id, self.runtime().clock().now()).await?;
        let state = self.runtime().state(key).await?;
        match reply {
            Some(reply) if user(&state).is_some_and(|user| **user == *subject) && reply.answer.refused.is_none() => {
                Ok(Page::Taken(reply.answer.messages, self.question_link(key).await?))
            }
            _ => Ok(Page::Gone),
        }
    }

    /// Takes the user's own answer to a question that was put to them by a surface of ours, under the name of who put it. The same answer
    /// to the same `asked` twice is one answer.
    pub(crate) async fn answered(
        &self,
        key: &ConversationKey,
        question: &Question,
        yes: bool,
        (surface, by): (&str, Arc<str>),
        asked: &str,
    ) -> Result<TurnResult, ServiceError> {
        let named = Some(question.id.clone());
        let command = if yes { Command::Confirm { question: named } } else { Command::Reject { question: named } };
        let sent = Sent { id: Some(sent_as(surface, yes, asked)), ..Sent::default() };
        let principal = Principal { id: by, ..Principal::default() };
        Ok(self.runtime().turn_as(key, Actor::User, principal, sent, Turn::Command(command)).await?)
    }

    /// The question that stands in a conversation, if one does.
    async fn asked(&self, key: &ConversationKey) -> Result<Option<(Arc<State>, Question)>, ServiceError> {
        let state = match self.runtime().state(key).await {
            Ok(state) => state,
            Err(DriverError::NoConversation(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let question = self.runtime().present_of(&state, Actor::User).await?.question;
        Ok(question.map(|question| (state, question)))
    }

    fn code(&self, key: &ConversationKey, question: &Question, user: &str, until: i64) -> String {
        let until = until.to_be_bytes();
        let parts: [&[u8]; 6] =
            [b"question page", key.tenant.as_bytes(), key.id.as_bytes(), question.id.as_bytes(), user.as_bytes(), &until];
        let mut code = self.runtime().keys().digest(&parts);
        code.truncate(CODE);
        code
    }
}

/// What the message is called that brings an answer: the same for the same answer.
fn sent_as(surface: &str, yes: bool, asked: &str) -> Arc<str> {
    format!("{surface}:{}:{asked}", if yes { "confirm" } else { "reject" }).into()
}

/// The user of a conversation; a nobody has no page.
fn user(state: &State) -> Option<&Arc<str>> {
    state.opened().map(|open| &open.user_id).filter(|user| !user.is_empty())
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, PLAIN).to_string()
}

fn path(tenant: &str, conversation: &str, seal: &str) -> String {
    format!("{}/{}/{seal}", encoded(tenant), encoded(conversation))
}
