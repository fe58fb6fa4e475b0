-- When the documents are taken to answer: fitted by `journeyman calibrate` on questions of which it is known. The newest
-- that was not taken back holds; without one, the defaults in retrieval/confidence.py.
CREATE TABLE calibration (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    weights       float8[] NOT NULL,   -- one a feature of retrieval/confidence.py, and the last for none
    threshold     float8 NOT NULL CHECK (threshold BETWEEN 0 AND 1),
    target_risk   float8,              -- that was asked for; null: as few errors of both kinds as possible
    answerable    int NOT NULL,        -- questions that it was fitted on
    unanswerable  int NOT NULL,
    coverage      float8 NOT NULL,     -- of these, by cross-validation: the share that is answered,
    risk          float8 NOT NULL,     -- and of those the share that should not have been
    curve         float8[] NOT NULL,   -- risk at each coverage: after the first question, the second, …
    chart         bytea,               -- the curve as a PNG; null where matplotlib is not installed
    calibrated_at timestamptz NOT NULL DEFAULT now(),
    taken_back_at timestamptz
);
