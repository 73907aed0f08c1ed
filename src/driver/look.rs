//! Where conversations stand, and what may come next in them. Looking changes nothing.

use std::sync::Arc;

use super::{DriverError, Perform, Runtime, Turn};
use crate::engine::answer::Refusal;
use crate::engine::input::Open;
use crate::engine::{Actor, Answer, EventBody, Expects, Input, LeftOut, Offer, Principal, State};
use crate::store::{ConversationKey, Store};

/// Events that are folded again to see how a conversation stood, at most, and how many are read at a time.
const PAST: u64 = 100_000;
const PAGE: usize = 1_000;

impl<S: Store, P: Perform> Runtime<S, P> {
    /// Where a conversation stands: the answer that the last turn would get again.
    pub async fn present(&self, conversation: &ConversationKey, actor: Actor) -> Result<Answer, DriverError> {
        let state = self.state(conversation).await?;
        self.present_of(&state, actor).await
    }

    /// Where a conversation of that state stands.
    pub async fn present_of(&self, state: &State, actor: Actor) -> Result<Answer, DriverError> {
        Ok(self.0.machine(state).await?.present(state, actor, self.0.clock.now()))
    }

    /// What may come next from that actor.
    pub async fn expects(&self, conversation: &ConversationKey, actor: Actor) -> Result<Expects, DriverError> {
        let state = self.state(conversation).await?;
        self.expects_of(&state, actor, &Principal::default()).await
    }

    /// What may come next from that actor, by that credential, in a conversation of that state.
    pub async fn expects_of(&self, state: &State, actor: Actor, principal: &Principal) -> Result<Expects, DriverError> {
        Ok(self.0.machine(state).await?.expects(state, actor, principal))
    }

    /// Which of these turns would be refused, if they came one after another where the conversation stands, and why. Nothing is done.
    /// `None`: none would, or one before leads to calls, so that nobody knows, or the conversation is at another version.
    pub async fn would_refuse(
        &self,
        key: &ConversationKey,
        principal: &Principal,
        at: Option<u64>,
        turns: Vec<(Actor, Turn)>,
    ) -> Result<Option<(usize, Refusal)>, DriverError> {
        let mut state = self.state(key).await?;
        if at.is_some_and(|at| at != state.moved()) {
            return Ok(None);
        }
        let machine = self.0.machine(&state).await?;
        for (n, (actor, turn)) in turns.into_iter().enumerate() {
            let (at, entropy, principal) = (self.0.clock.now(), self.0.draw()?, principal.clone());
            let (refused, body) = (Vec::new(), turn.into());
            let input = Input { at, actor, principal, message_id: None, entropy, refused, unaware: false, answered: false, body };
            let progress = machine.handle(&state, input);
            if let Some(refusal) = progress.answer.refused {
                return Ok(Some((n, refusal)));
            }
            if !progress.effects.is_empty() {
                break;
            }
            state = Arc::new(progress.state);
        }
        Ok(None)
    }

    /// What providers offered last for a conversation of that state, each with why it is not for whoever looks; and who offers nothing.
    pub async fn offers_of(&self, state: &State, actor: Actor, principal: &Principal) -> Result<(Vec<Offer>, Vec<LeftOut>), DriverError> {
        Ok(self.0.machine(state).await?.offers(state, actor, principal, self.0.clock.now()))
    }

    /// The state that a conversation had at a version; `None` where its events are gone.
    pub async fn state_at(&self, conversation: &ConversationKey, moved: u64) -> Result<Option<State>, DriverError> {
        let mut state = State::default();
        while state.version < PAST {
            let events = self.0.store.events(conversation, state.version, PAGE).await?;
            if events.is_empty() {
                break;
            }
            for (_, event) in &events {
                state.apply(event);
                if state.version == moved {
                    return Ok(Some(state));
                }
            }
        }
        Ok(None)
    }

    /// What was said by the turn that was sent under that id, as that actor may see it, and whether anything in it is sensitive. Nothing, if
    /// there is none.
    pub(super) async fn said_under(
        &self,
        conversation: &ConversationKey,
        id: &str,
        actor: Actor,
    ) -> Result<(Vec<Arc<str>>, bool), DriverError> {
        let (mut said, mut sensitive, mut is_it, mut after) = (Vec::new(), false, false, 0);
        while after < PAST {
            let events = self.0.store.events(conversation, after, PAGE).await?;
            let Some((last, _)) = events.last() else { break };
            after = *last;
            for (_, event) in &events {
                match event.body.plain() {
                    EventBody::Turn(turn) if turn.is_sent() => {
                        if is_it {
                            return Ok((said, sensitive));
                        }
                        is_it = turn.id.as_deref() == Some(id);
                    }
                    EventBody::Said { text, redacted } if is_it => {
                        said.push(redacted.as_ref().filter(|_| actor == Actor::Agent).unwrap_or(text).clone());
                        sensitive |= redacted.is_some() && actor != Actor::Agent;
                    }
                    _ => {}
                }
            }
        }
        Ok((said, sensitive))
    }

    /// How a conversation was opened: whose it is never changes, so it is not asked of the store again and again.
    pub async fn opened(&self, conversation: &ConversationKey) -> Result<Arc<Open>, DriverError> {
        if let Some(open) = self.0.states.opened(conversation) {
            return Ok(open);
        }
        let state = self.state(conversation).await?;
        state.opened().cloned().ok_or_else(|| DriverError::NoConversation(conversation.id.clone()))
    }

    /// The state of a conversation.
    pub async fn state(&self, conversation: &ConversationKey) -> Result<Arc<State>, DriverError> {
        let seen = self.0.load(conversation).await?;
        seen.state.ok_or_else(|| DriverError::NoConversation(conversation.id.clone()))
    }
}
