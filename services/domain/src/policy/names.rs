//! What the choices in a policy are called, in files and in messages.

use crate::burst::{Approval, Category};
use crate::policy::{DataClass, Encoding, Environment, Priority};

macro_rules! names {
    ($($choice:ident { $($variant:ident = $name:literal,)+ })+) => {
        $(impl $choice {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in policies and messages.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The one of that name, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == name)
            }
        })+
    };
}

names! {
    Encoding {
        O200kBase = "o200k_base",
        Cl100kBase = "cl100k_base",
    }
    Environment {
        Production = "production",
        Staging = "staging",
        Development = "development",
    }
    DataClass {
        Public = "public",
        Internal = "internal",
        Confidential = "confidential",
        Restricted = "restricted",
    }
    Priority {
        Critical = "critical",
        Standard = "standard",
        Batch = "batch",
    }
    Category {
        Demo = "demo",
        Migration = "migration",
        Training = "training",
        Onboarding = "onboarding",
        Incident = "incident",
        Other = "other",
    }
    Approval {
        Guaranteed = "guaranteed",
        BestEffort = "best effort",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_found_by_its_own_name_only() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_name(priority.as_str()), Some(*priority));
        }
        assert_eq!(Category::from_name("incident"), Some(Category::Incident));
        assert_eq!(Priority::from_name("Critical"), None);
    }
}
