//! The service that random journeys call, and what is known of its actions.

/// Fields that collects ask for: those of random journeys, an input, and those of what is around a way.
pub const FIELDS: [&str; 6] = ["f0", "f1", "f2", "x", "z0", "z1"];
/// The letters that their marks begin with.
pub const LETTERS: [char; FIELDS.len()] = ['a', 'b', 'c', 'd', 'y', 'z'];
/// How many of them random journeys ask for.
pub const ASKED: usize = 3;
/// Actions that need a yes.
pub const CONFIRMED: [&str; 9] = ["pay", "ship", "peek", "tip", "vault", "grand", "wire", "print", "seal"];
/// Those of them that say themselves what they send: a field.
pub const SPEAKING: [&str; 3] = ["wire", "print", "seal"];
/// Actions that need a verified subject: of which level, and how many seconds ago at most.
pub const IDENTIFIED: [(&str, u32, i64); 5] = [("open", 1, 300), ("vault", 2, 600), ("mine", 1, 900), ("deed", 1, 900), ("file", 1, 900)];
/// The actions that need an approval, and the seconds that it is waited for.
pub const APPROVED: ([&str; 3], i64) = (["grand", "gift", "probe"], 600);
/// The role of those who approve, and who has it.
pub const ROLE: (&str, [&str; 2]) = ("boss", ["op-1", "op-2"]);
/// Verifications that a conversation may try.
pub const TRIES: u32 = 3;
/// Actions that change nothing.
pub const READS: [&str; 7] = ["look", "peek", "check", "whose", "mail", "file", "probe"];
/// Actions that are only let through so often; and what has a key that is told apart from all others.
pub const COUNTED: [&str; 2] = ["ring", "check"];
pub const KEYED: &str = "seal";
/// Writes that may be sent again though nobody knows what came of them: at any time, and for so many seconds.
pub const AGAIN: (&str, &str, i64) = ("vault", "ship", 30);
/// How often an agent may ask in one search, and the seconds that it has.
pub const SEARCH: (u32, i64) = (8, 60);
/// Yeses to anything of these policies are told by what is sent, who asks, and what was said before.
pub const POLICIES: [&str; 4] = [
    r#"forbid(principal is Agent, action == Action::"svc.note", resource);"#,
    r#"forbid(principal, action == Action::"svc.note", resource) unless { context.confirmed };"#,
    r#"forbid(principal, action == Action::"svc.pay", resource) when { context.inputs.x like "a*" };"#,
    r#"forbid(principal, action == Action::"svc.note", resource) unless { context.identity.verified };"#,
];

pub const SERVICE: &str = r"
name: Svc
type: rest_api
config: {base_url: 'http://svc.test', auth_type: none}
actions:
  - {name: Look, type: read, invocation: {method: GET, endpoint: '/look/{x}'}, input_schema: {x: {type: string}}, settings: {retries: 1},
     outcomes: &ends [{name: done, condition: response.status == 200}, {name: t0409, condition: response.status == 409}]}
  - {name: Note, type: write, invocation: {method: POST, endpoint: /note}, input_schema: {x: {type: string}}, outcomes: *ends}
  - {name: Pay, type: write, invocation: {method: POST, endpoint: '/pay/{x}'}, outcomes: *ends, settings: {retries: 1},
     input_schema: {x: {type: string}, y: {type: string, required: false}}, safety: {requires_confirmation: true}}
  - {name: Ship, type: write, invocation: {method: PUT, endpoint: /ship, query: {q: $inputs.x}, dynamic_headers: {X-Y: $inputs.y}}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, settings: {idempotency: natural, retries: 1}, safety: {requires_confirmation: true}}
  - {name: Peek, type: read, invocation: {method: GET, endpoint: /peek, query: {q: $inputs.x}}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, settings: {retries: 1}, safety: {requires_confirmation: true}}
  - {name: Tip, type: write, invocation: {method: POST, endpoint: /tip}, outcomes: *ends,
     input_schema: {f0: {type: string}, tag: {type: string, required: false}}, safety: {requires_confirmation: true}}
  - {name: Open, type: write, invocation: {method: POST, endpoint: /open}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}}, safety: {requires_identity_verification: {level: 1, max_age: 300}}}
  - {name: Vault, type: write, invocation: {method: POST, endpoint: /vault}, outcomes: *ends, settings: {idempotency: key, retries: 1},
     input_schema: {x: {type: string}, y: {type: string, required: false}},
     safety: {requires_confirmation: true, requires_identity_verification: {level: 2, max_age: 600}}}
  - {name: Grand, type: write, invocation: {method: POST, endpoint: /grand}, outcomes: *ends,
     input_schema: {x: {type: string}, y: {type: string, required: false}},
     safety: {requires_confirmation: true, requires_approval: {role: boss, ttl: 10m}}}
  - {name: Gift, type: write, invocation: {method: POST, endpoint: /gift}, outcomes: *ends, input_schema: {x: {type: string}},
     safety: {requires_approval: {role: boss, ttl: 10m}}}
  - {name: Mine, type: write, invocation: {method: POST, endpoint: /mine}, outcomes: *ends, input_schema: {x: {type: string}},
     safety: {requires_identity_verification: {level: 1, max_age: 900}, owner: inputs.x}}
  - {name: Deed, type: write, invocation: {method: POST, endpoint: /deed}, outcomes: *ends, input_schema: {x: {type: string}},
     safety: {requires_identity_verification: {level: 1, max_age: 900},
       owner: {call: svc.whose, inputs: {x: $inputs.x}, is: response.body.who}}}
  - {name: Hers, type: write, invocation: {method: POST, endpoint: /hers}, outcomes: *ends, input_schema: {x: {type: string}},
     safety: {owner: inputs.x}}
  - {name: Ring, type: write, invocation: {method: POST, endpoint: /ring}, outcomes: *ends, input_schema: {x: {type: string}},
     safety: {rate_limit: {max: 3, per: 1h, scope: action}}}
  - {name: Probe, type: read, invocation: {method: GET, endpoint: '/probe/{x}'}, input_schema: {x: {type: string}}, outcomes: *ends,
     safety: {requires_approval: {role: boss, ttl: 10m}}}
  - {name: Whose, type: read, invocation: {method: GET, endpoint: '/whose/{x}'}, input_schema: {x: {type: string}}, outcomes: *ends}
  - {name: Mail, type: read, invocation: {method: GET, endpoint: '/mail/{x}'}, input_schema: {x: {type: string}}, outcomes: *ends,
     safety: {result_owner: {is: response.body.who, else: t0409}}}
  - {name: Wire, type: write, invocation: {method: POST, endpoint: /wire}, input_schema: {x: {type: string}}, input_mappings: {x: $variables.f0},
     outcomes: *ends, safety: {requires_confirmation: true}}
  - {name: Print, type: write, invocation: {method: POST, endpoint: /print, body: {x: $variables.f0}}, outcomes: *ends,
     safety: {requires_confirmation: true}}
  - {name: Seal, type: write, invocation: {method: POST, endpoint: /seal}, outcomes: *ends,
     safety: {requires_confirmation: true, idempotency_key: 'k-{{ variables.f0 }}'}}
  - {name: File, type: read, invocation: {method: GET, endpoint: /file, query: {q: $inputs.x}}, input_schema: {x: {type: string}}, outcomes: *ends,
     safety: {requires_identity_verification: {level: 1, max_age: 900}}}
  - {name: Check, type: read, invocation: {method: POST, endpoint: /check}, input_schema: {code: {type: string}}, outcomes: *ends}
";

pub const DATAPOINTS: &str = r"
- {name: f0, type: string, validation: {pattern: 'a[0-9]{4}'}}
- {name: f1, type: string, validation: {pattern: 'b[0-9]{4}'}}
- {name: f2, type: string, validation: {pattern: 'c[0-9]{4}'}}
- {name: x, type: string}
- {name: z0, type: string, validation: {pattern: 'y[0-9]{4}'}}
- {name: z1, type: string, validation: {pattern: 'z[0-9]{4}'}}
";
