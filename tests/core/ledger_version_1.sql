-- The ledger's schema as version 1 made it: tests build files from it that earlier releases left behind.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at TEXT NOT NULL,
    elapsed_s REAL,
    base_url TEXT NOT NULL,
    host TEXT NOT NULL,
    command TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    fields TEXT NOT NULL,
    inputs TEXT NOT NULL,
    mask TEXT,
    output TEXT,
    status TEXT NOT NULL,
    error_code TEXT,
    error_message TEXT,
    http_status INTEGER,
    request_id TEXT,
    attempts INTEGER NOT NULL,
    billed TEXT NOT NULL,
    usage TEXT,
    estimate_low_usd REAL,
    estimate_high_usd REAL,
    cost_usd REAL,
    discount REAL NOT NULL,
    batch_id TEXT
);
CREATE INDEX requests_started_at ON requests (started_at);
CREATE TABLE images (
    request INTEGER NOT NULL,
    number INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    rescued INTEGER NOT NULL,
    PRIMARY KEY (request, number)
) WITHOUT ROWID;
CREATE INDEX images_sha256 ON images (sha256);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    token TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created_at TEXT NOT NULL,
    status TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    input_file_id TEXT,
    output_file_id TEXT,
    error_file_id TEXT,
    out_dir TEXT NOT NULL,
    total INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    high_usd REAL,
    history INTEGER NOT NULL,
    fetched_at TEXT
);
CREATE INDEX batches_id ON batches (id);
CREATE TABLE batch_jobs (
    batch INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    job INTEGER NOT NULL,
    line INTEGER NOT NULL,
    id TEXT,
    key TEXT NOT NULL,
    copy INTEGER NOT NULL,
    name TEXT NOT NULL,
    named INTEGER NOT NULL,
    numbers TEXT NOT NULL,
    there TEXT NOT NULL,
    high_usd REAL,
    prompt TEXT NOT NULL,
    fields TEXT NOT NULL,
    inputs TEXT NOT NULL,
    mask TEXT,
    state TEXT NOT NULL,
    outcome TEXT,
    PRIMARY KEY (batch, custom_id)
) WITHOUT ROWID;
PRAGMA user_version = 1;
