//! Clients about whom the business back end has a say: it is asked before they come in, and before they join a room.

use std::sync::Arc;

use foodtrack_tenant::{Admission, Hook, HookQuestion, Input};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::entrant::Entrant;
use crate::hook_answer::HookAnswer;

impl Shard {
    /// Asks whether a client may come in, and notes what is said. Returns `false` where it has to wait for that.
    pub(super) fn ask_to_connect(&mut self, io: &Reactor, admission: &mut Admission) -> bool {
        let Some(hooks) = self.hooks.as_mut().filter(|it| it.hooks().connect) else { return true };
        if admission.permit.is_some() {
            return true;
        }
        let Some(question) = admission.hook_question() else { return true };
        admission.permit = hooks.ask(&Arc::new(question), io.now_ms());
        admission.permit.is_some()
    }

    /// Keeps a client until the back end has said whether it may come in. Its socket is not read meanwhile.
    pub(super) fn wait_for_permit(&mut self, handover: Handover<Entrant>) {
        let Some(Entrant { admission, .. }) = handover.transfer() else { return };
        if let Some(question) = admission.hook_question() {
            self.at_hook.entry(Arc::new(question)).or_default().push(handover);
        }
    }

    /// The back end has answered: those who waited for it come in, or do not, and join, or do not.
    pub(super) fn hear_permit(
        &mut self,
        io: &mut Reactor,
        question: &Arc<HookQuestion>,
        answer: HookAnswer,
    ) {
        if let Some(hooks) = &mut self.hooks {
            hooks.answered(question, &answer, io.now_ms());
        }
        for mut handover in self.at_hook.remove(question).unwrap_or_default() {
            if let Some(entrant) = handover.transfer_mut() {
                entrant.admission.permit = Some(answer.permit.clone());
            }
            self.receive(io, handover);
        }
        if let (Hook::Join(_), Some(tenant)) = (&question.hook, self.by_name.get(&question.tenant))
        {
            self.handle(io, *tenant, Input::Permitted(Arc::clone(question), answer.permit));
        }
    }
}
