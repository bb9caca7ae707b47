-- The ledger: the durable truth about every case. Version 7.
-- Times are ISO 8601 in UTC with microseconds. Paths that are not UTF-8 are kept as BLOBs of their bytes.
-- Patient names and ids have no column here, by design.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cases (
    "case"         TEXT PRIMARY KEY,
    identity       TEXT NOT NULL,
    kind           TEXT NOT NULL DEFAULT 'delivery', -- or 'planned': an engine run of the planned spots, no fraction
    state          TEXT NOT NULL,
    held_from      TEXT NOT NULL DEFAULT '',   -- while held: the state that a release goes back to
    reason         TEXT NOT NULL DEFAULT '',
    priority       INTEGER NOT NULL DEFAULT 0,
    path           TEXT NOT NULL,
    plan_uid       TEXT NOT NULL DEFAULT '',
    study_uid      TEXT NOT NULL DEFAULT '',
    delivery_keys  TEXT NOT NULL DEFAULT '[]', -- JSON list: what was seen or admitted, in order
    partial        INTEGER NOT NULL DEFAULT 0,
    supersedes     TEXT NOT NULL DEFAULT '',
    superseded_by  TEXT NOT NULL DEFAULT '',   -- the next version of it
    review         TEXT NOT NULL DEFAULT '',   -- how its review stands: the state of the last of its reviews
    source         TEXT NOT NULL DEFAULT '',   -- JSON of the CaseSource; empty: never admitted
    interpretation TEXT NOT NULL DEFAULT '',   -- JSON
    verdict        TEXT NOT NULL DEFAULT '',   -- JSON
    cleaned        INTEGER NOT NULL DEFAULT 0,
    seen           TEXT NOT NULL,
    admitted       TEXT,
    started        TEXT,
    ended          TEXT
);
CREATE INDEX cases_by_state ON cases (state, priority, seen);
CREATE INDEX cases_by_name ON cases (state, "case");
CREATE INDEX cases_uncleaned ON cases (state) WHERE cleaned = 0;
CREATE INDEX cases_by_plan ON cases (plan_uid, "case");
CREATE INDEX cases_superseding ON cases (supersedes) WHERE supersedes != '';

CREATE TABLE beams (
    "case"   TEXT NOT NULL REFERENCES cases ("case"),
    number   INTEGER NOT NULL,                 -- DICOM beam number
    name     TEXT NOT NULL,
    state    TEXT NOT NULL,
    attempt  INTEGER NOT NULL DEFAULT 0,       -- latest; 0 before the first
    host     TEXT NOT NULL DEFAULT '',
    gpu      TEXT NOT NULL DEFAULT '',
    progress REAL NOT NULL DEFAULT 0,          -- of the latest attempt, 0 to 1
    reason   TEXT NOT NULL DEFAULT '',
    forgiven INTEGER NOT NULL DEFAULT 0,       -- attempts up to this number count against no budget: an operator's retry
    PRIMARY KEY ("case", number)
) WITHOUT ROWID;

-- A delivery belongs to one case for ever (a completed case takes over those of the partial one that it supersedes).
CREATE TABLE deliveries (
    key    TEXT NOT NULL UNIQUE,
    "case" TEXT NOT NULL REFERENCES cases ("case")
);
CREATE INDEX deliveries_by_case ON deliveries ("case");

CREATE TABLE attempts (
    key      TEXT PRIMARY KEY,                 -- <case>/<beam>/<attempt>
    "case"   TEXT NOT NULL,
    beam     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    host     TEXT NOT NULL,
    gpu      TEXT NOT NULL,
    worker   TEXT NOT NULL,
    epoch    INTEGER NOT NULL,                 -- of the worker that wrote the intent
    run_dir  TEXT NOT NULL,
    request  TEXT NOT NULL,                    -- JSON of the BeamRequest
    launched TEXT NOT NULL DEFAULT '',         -- host's clock
    ended    TEXT NOT NULL DEFAULT '',         -- host's clock
    evidence TEXT NOT NULL DEFAULT '',         -- latest; all of it is in the events
    progress REAL NOT NULL DEFAULT 0,
    UNIQUE ("case", beam, attempt),
    FOREIGN KEY ("case", beam) REFERENCES beams ("case", number)
);
-- At most one attempt of a beam is open: the last line of defence against a beam run twice.
CREATE UNIQUE INDEX attempts_open ON attempts ("case", beam)
    WHERE state IN ('intended', 'staged', 'launching', 'running', 'ended', 'collected');
CREATE INDEX attempts_by_worker ON attempts (worker, state, gpu);

-- Deliveries, and the run of the planned spots that each is compared with.
CREATE TABLE planned_runs (
    "case"  TEXT PRIMARY KEY REFERENCES cases ("case"),
    planned TEXT NOT NULL REFERENCES cases ("case")
) WITHOUT ROWID;
CREATE INDEX planned_runs_by_run ON planned_runs (planned);

-- The history of everything: rows are added, never changed, and removed only when they are older than what
-- meta.history_since says was ordered; what they counted for stays in tallies.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    "case" TEXT NOT NULL,                      -- empty: about the system
    what   TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_case ON events ("case", number);
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
    WHEN OLD.at >= coalesce((SELECT value FROM meta WHERE key = 'history_since'), '')
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- How often what happened, of the events that were removed: by blocks of 50,000 event numbers.
CREATE TABLE tallies (
    block    INTEGER NOT NULL,
    happened TEXT NOT NULL,
    number   INTEGER NOT NULL,
    PRIMARY KEY (block, happened)
) WITHOUT ROWID;

CREATE TABLE hosts (
    host   TEXT PRIMARY KEY,
    kind   TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    at     TEXT NOT NULL                       -- since when it is in this state
) WITHOUT ROWID;

CREATE TABLE gpus (
    host    TEXT NOT NULL,
    "index" INTEGER NOT NULL,
    uuid    TEXT NOT NULL,
    model   TEXT NOT NULL DEFAULT '',          -- as the driver names it; empty: a slot, or not told
    state   TEXT NOT NULL,
    reason  TEXT NOT NULL DEFAULT '',
    beam    TEXT NOT NULL DEFAULT '',          -- key of the attempt that it runs
    at      TEXT NOT NULL,                     -- since when it is in this state
    PRIMARY KEY (host, "index")
) WITHOUT ROWID;

-- Where operators want nothing new to start: HOST, HOST/GPU (index), or empty: intake, everywhere.
CREATE TABLE halts (
    place  TEXT PRIMARY KEY,
    "user" TEXT NOT NULL,
    at     TEXT NOT NULL
) WITHOUT ROWID;

-- Failed runs that an operator's order holds against their GPU no more.
CREATE TABLE pardons (
    key TEXT PRIMARY KEY REFERENCES attempts (key)
) WITHOUT ROWID;

CREATE TABLE alarms (
    alarm TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    text  TEXT NOT NULL
) WITHOUT ROWID;

-- Alarms that are told to people outside: the intent before, the outcome after. At most one is open.
CREATE TABLE pushes (
    push    INTEGER PRIMARY KEY AUTOINCREMENT,
    after   INTEGER NOT NULL,                  -- tells the alarms' events with numbers above this
    upto    INTEGER NOT NULL,                  -- … up to this
    tries   INTEGER NOT NULL DEFAULT 0,
    at      TEXT NOT NULL,                     -- of the last try
    outcome TEXT NOT NULL DEFAULT ''           -- empty: still to be told
);
CREATE UNIQUE INDEX pushes_open ON pushes (outcome) WHERE outcome = '';

-- The physicist's report of each case that is done; due from the moment that the case is.
CREATE TABLE reports (
    "case"          TEXT PRIMARY KEY REFERENCES cases ("case"),
    state           TEXT NOT NULL,             -- due, made, failed (given up)
    tries           INTEGER NOT NULL DEFAULT 0,
    verdict         TEXT NOT NULL DEFAULT '',  -- pass, review, fail
    reason          TEXT NOT NULL DEFAULT '',
    path            TEXT NOT NULL DEFAULT '',
    manifest_sha256 TEXT NOT NULL DEFAULT '',
    at              TEXT NOT NULL              -- when it became due, was tried, made or given up
) WITHOUT ROWID;
CREATE INDEX reports_due ON reports (tries, at) WHERE state = 'due';

-- What the reports found, for charts and exports: of the case, of its beams, and of their layers by bands of energy.
CREATE TABLE figures (
    "case"    TEXT NOT NULL REFERENCES cases ("case"),
    beam      INTEGER NOT NULL,                -- DICOM beam number; 0: the case
    band      INTEGER NOT NULL,                -- lowest energy of the band in MeV; 0: all layers
    gantry    TEXT NOT NULL,
    delivered TEXT NOT NULL,                   -- when the first delivery of the case began
    "values"  TEXT NOT NULL,                   -- JSON: name → value
    PRIMARY KEY ("case", beam, band)
) WITHOUT ROWID;
CREATE INDEX figures_by_time ON figures (gantry, band, delivered);

-- The physicist's review of results: steps are added, never changed, never removed; the last one of a case counts.
CREATE TABLE reviews (
    review        INTEGER PRIMARY KEY AUTOINCREMENT,
    "case"        TEXT NOT NULL REFERENCES cases ("case"),
    state         TEXT NOT NULL,               -- reviewed, approved, rejected; a case that is done without any: computed
    "user"        TEXT NOT NULL,
    at            TEXT NOT NULL,
    reason        TEXT NOT NULL DEFAULT '',
    result_sha256 TEXT NOT NULL DEFAULT '',    -- of the manifest of the result that was reviewed
    report_sha256 TEXT NOT NULL DEFAULT ''     -- of the manifest of the report that there was; empty: none
);
CREATE INDEX reviews_by_case ON reviews ("case", review);
CREATE TRIGGER reviews_never_change BEFORE UPDATE ON reviews
    BEGIN SELECT RAISE(ABORT, 'reviews are append-only'); END;
CREATE TRIGGER reviews_never_go BEFORE DELETE ON reviews
    BEGIN SELECT RAISE(ABORT, 'reviews are append-only'); END;
CREATE VIEW standing_reviews AS
    SELECT * FROM reviews WHERE NOT EXISTS (
        SELECT 1 FROM reviews AS later WHERE later."case" = reviews."case" AND later.review > reviews.review
    );

-- Where results are sent, as configured when the daemon began.
CREATE TABLE nodes (
    node TEXT PRIMARY KEY,
    rule TEXT NOT NULL                         -- when by itself: accepted, approved; ordered: never
) WITHOUT ROWID;

-- Results on their way to nodes: due from the moment that a rule or an operator wants them there.
CREATE TABLE sendings (
    "case"  TEXT NOT NULL REFERENCES cases ("case"),
    node    TEXT NOT NULL,
    state   TEXT NOT NULL,                     -- due, stored, sent, committed, withheld
    "order" TEXT NOT NULL DEFAULT '',          -- that wants it there; empty: a rule does
    "user"  TEXT NOT NULL DEFAULT '',
    tries   INTEGER NOT NULL DEFAULT 0,
    reason  TEXT NOT NULL DEFAULT '',
    answers TEXT NOT NULL DEFAULT '',          -- JSON: what the node said of each file
    since   TEXT NOT NULL,                     -- when it became due
    at      TEXT NOT NULL,                     -- when it was last tried, or settled
    after   TEXT NOT NULL,                     -- it is not tried before
    PRIMARY KEY ("case", node)
) WITHOUT ROWID;
CREATE INDEX sendings_due ON sendings (node, after) WHERE state IN ('due', 'stored');
CREATE INDEX sendings_by_state ON sendings (node, state);

-- How many cases, beams and sendings are in each state, kept up to date by the triggers below: to count the rows takes the
-- longer, the more there ever were.
CREATE TABLE counts (
    what   TEXT NOT NULL,                      -- case, beam, sending
    kind   TEXT NOT NULL,                      -- of a case: its kind; of a sending: its node; empty: of a beam
    state  TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (what, kind, state)
) WITHOUT ROWID;
CREATE TRIGGER cases_counted AFTER INSERT ON cases BEGIN
    INSERT INTO counts VALUES ('case', NEW.kind, NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER cases_counted_anew AFTER UPDATE OF state ON cases WHEN NEW.state != OLD.state BEGIN
    UPDATE counts SET number = number - 1 WHERE what = 'case' AND kind = OLD.kind AND state = OLD.state;
    INSERT INTO counts VALUES ('case', NEW.kind, NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER beams_counted AFTER INSERT ON beams BEGIN
    INSERT INTO counts VALUES ('beam', '', NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER beams_counted_anew AFTER UPDATE OF state ON beams WHEN NEW.state != OLD.state BEGIN
    UPDATE counts SET number = number - 1 WHERE what = 'beam' AND kind = '' AND state = OLD.state;
    INSERT INTO counts VALUES ('beam', '', NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER sendings_counted AFTER INSERT ON sendings BEGIN
    INSERT INTO counts VALUES ('sending', NEW.node, NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER sendings_counted_anew AFTER UPDATE OF state ON sendings WHEN NEW.state != OLD.state BEGIN
    UPDATE counts SET number = number - 1 WHERE what = 'sending' AND kind = OLD.node AND state = OLD.state;
    INSERT INTO counts VALUES ('sending', NEW.node, NEW.state, 1)
        ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;
END;

-- What operators ordered; an order without an outcome is still to be carried out.
CREATE TABLE commands (
    "order"  TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    argument TEXT NOT NULL DEFAULT '',
    "user"   TEXT NOT NULL DEFAULT '',
    at       TEXT NOT NULL,
    outcome  TEXT NOT NULL DEFAULT '',
    decided  TEXT NOT NULL DEFAULT ''          -- the outcome to come, once what it changes is written
);
CREATE INDEX commands_open ON commands (at) WHERE outcome = '';

-- The highest epoch seen of each writer: what an older incarnation still sends is dropped.
CREATE TABLE fences (
    writer TEXT PRIMARY KEY,
    epoch  INTEGER NOT NULL
) WITHOUT ROWID;
