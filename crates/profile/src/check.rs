//! What tables mean, or everything that is wrong with them.

mod names;
mod shapes;

use std::collections::BTreeMap;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, LoginRole, Permission, PermissionSet, UserRole, nearest,
};
use toml::Spanned;

use crate::problem::{Problem, Problems, Source};
use crate::profile::{ApplicationTable, Form, Profile, Tables};
use crate::said::{Said, SaidApplication, SaidRole};
use crate::statuses::Statuses;

/// What is known so far of all tables that were read.
#[derive(Default)]
struct Checked {
    origins: BTreeMap<Box<str>, ApplicationType>,
    roles: BTreeMap<Box<str>, LoginRole>,
    statuses: Statuses,
    applications: [ApplicationTable; 4],
    shapes: [shapes::Shapes; 4],
    problems: Vec<Problem>,
}

pub(crate) fn check(tables: &[Tables<'_>]) -> Result<Profile, Problems> {
    let mut checked = Checked::default();
    for table in tables {
        let source = Source { file: table.file, text: table.text };
        match toml::from_str::<Said>(table.text) {
            Ok(said) => checked.take(source, said),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let sentence = error.message().lines().collect::<Vec<_>>().join(" ");
                checked.problems.push(source.problem(at, sentence));
            }
        }
    }
    let Checked { origins, roles, statuses, applications, problems, .. } = checked;
    match problems.is_empty() {
        true => Ok(Profile { origins, roles, statuses, applications }),
        false => Err(Problems(problems)),
    }
}

/// What is unknown, with what was probably meant.
fn unknown<'a>(what: &str, said: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(said, known.iter().copied()) {
        Some(meant) => format!("no such {what}: {said}; did you mean {meant}?"),
        None => format!("no such {what}: {said}; there are {}", known.join(", ")),
    }
}

impl Checked {
    fn fault(&mut self, source: Source<'_>, at: usize, sentence: impl Into<String>) {
        self.problems.push(source.problem(at, sentence));
    }

    fn take(&mut self, source: Source<'_>, said: Said) {
        for (word, others) in said.statuses {
            let at = others.span().start;
            let words = others.into_inner();
            for other in words.iter().chain([&word]) {
                let meant = self.statuses.meanings.insert((&**other).into(), (&*word).into());
                if let Some(meant) = meant.filter(|meant| **meant != *word) {
                    self.fault(source, at, format!("{other} means {meant} already"));
                }
            }
        }
        for (origin, application) in said.origins {
            if let Some(application) = self.application(source, &application) {
                let origin = origin.trim_end_matches('/').to_ascii_lowercase();
                self.origins.insert(origin.into(), application);
            }
        }
        for (name, role) in said.roles {
            if let Some(role) = self.role(source, role.into_inner()) {
                self.roles.insert(name.into(), role);
            }
        }
        for (name, application) in said.applications {
            let at = application.span().start;
            match ApplicationType::from_wire(&name) {
                Some(one) => self.take_application(source, one, application.into_inner()),
                None => {
                    let known = ApplicationType::ALL.iter().map(|it| it.as_str());
                    self.fault(source, at, unknown("application", &name, known));
                }
            }
        }
    }

    fn application(
        &mut self,
        source: Source<'_>,
        said: &Spanned<String>,
    ) -> Option<ApplicationType> {
        let application = ApplicationType::from_wire(said.get_ref());
        if application.is_none() {
            let known = ApplicationType::ALL.iter().map(|it| it.as_str());
            let sentence = unknown("application", said.get_ref(), known);
            self.fault(source, said.span().start, sentence);
        }
        application
    }

    fn role(&mut self, source: Source<'_>, said: SaidRole) -> Option<LoginRole> {
        let Some(role) = UserRole::from_wire(said.role.get_ref()) else {
            let known = UserRole::ALL.iter().map(|it| it.as_str());
            let sentence = unknown("role", said.role.get_ref(), known);
            self.fault(source, said.role.span().start, sentence);
            return None;
        };
        if role == UserRole::System {
            let sentence = "no login is a back end: name another role than system";
            self.fault(source, said.role.span().start, sentence);
            return None;
        }
        let mut login = LoginRole::of(role);
        if let Some(applications) = said.applications {
            let known = applications.iter().filter_map(|one| self.application(source, one));
            login.applications = known.collect::<ApplicationSet>();
        }
        if let Some(permissions) = said.permissions {
            login.permissions = PermissionSet::NONE;
            for one in permissions {
                match Permission::from_wire(one.get_ref()) {
                    Some(permission) => login.permissions.insert(permission),
                    None => {
                        let known = Permission::ALL.iter().map(|it| it.as_str());
                        let sentence = unknown("permission", one.get_ref(), known);
                        self.fault(source, one.span().start, sentence);
                    }
                }
            }
        }
        Some(login)
    }

    fn take_application(
        &mut self,
        source: Source<'_>,
        application: ApplicationType,
        said: SaidApplication,
    ) {
        let place = application as usize;
        if let Some(form) = said.form {
            match form.get_ref().as_str() {
                "enveloped" => self.applications[place].form = Form::Enveloped,
                "flat" => self.applications[place].form = Form::Flat,
                other => {
                    let sentence = unknown("form", other, ["enveloped", "flat"].into_iter());
                    self.fault(source, form.span().start, sentence);
                }
            }
        }
        if let Some(others) = said.other_statuses {
            match others.get_ref().as_str() {
                "keep" => self.applications[place].words.leaves_out_others = false,
                "leave_out" => self.applications[place].words.leaves_out_others = true,
                other => {
                    let sentence = unknown("choice", other, ["keep", "leave_out"].into_iter());
                    self.fault(source, others.span().start, sentence);
                }
            }
        }
        for (word, theirs) in said.statuses {
            if !self.statuses.is_known(&word) {
                let sentence = unknown("status", &word, self.statuses.known());
                self.fault(source, theirs.span().start, sentence);
                continue;
            }
            let words = &mut self.applications[place].words.words;
            words.insert(word.into(), theirs.into_inner().into());
        }
        self.take_shapes(source, place, said.shapes);
        self.take_outgoing(source, place, said.outgoing);
        self.take_incoming(source, place, said.incoming);
    }
}
