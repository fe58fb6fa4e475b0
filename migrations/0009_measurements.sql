-- What was measured on an admin's own questions, and holds until it is taken back: what retrieval/ writes and reads.
CREATE TABLE calibration (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    marks         text[] NOT NULL,
    weights       float8[] NOT NULL,
    threshold     float8 NOT NULL CHECK (threshold BETWEEN 0 AND 1),
    target_risk   float8,
    answerable    int NOT NULL,
    unanswerable  int NOT NULL,
    coverage      float8 NOT NULL,
    risk          float8 NOT NULL,
    curve         float8[] NOT NULL,
    chart         bytea,
    calibrated_at timestamptz NOT NULL DEFAULT now(),
    taken_back_at timestamptz
);
COMMENT ON TABLE calibration IS
    'When the documents are taken to answer, as fitted to questions of which it is known. The newest that was not '
    'taken back holds; without one, the defaults.';
COMMENT ON COLUMN calibration.marks IS 'what the weights are of: one that was fitted to other marks is not misread';
COMMENT ON COLUMN calibration.weights IS 'one a mark, and the last for none';
COMMENT ON COLUMN calibration.target_risk IS 'that was asked for; null: as few errors of both kinds as possible';
COMMENT ON COLUMN calibration.answerable IS 'questions that it was fitted on';
COMMENT ON COLUMN calibration.coverage IS 'the share of them that is answered, by cross-validation';
COMMENT ON COLUMN calibration.risk IS 'of those that are answered, the share that should not have been';
COMMENT ON COLUMN calibration.curve IS 'the risk at each coverage: after the first question, the second, …';
COMMENT ON COLUMN calibration.chart IS 'the curve as a PNG; null where matplotlib is not installed';

CREATE TABLE model_ability (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text NOT NULL,
    adapter       text,
    answers       text CHECK (answers IN ('model', 'quotes')),
    rewrites      boolean,
    figures       jsonb NOT NULL,
    measured_at   timestamptz NOT NULL DEFAULT now(),
    taken_back_at timestamptz,
    CHECK (answers IS NOT NULL OR rewrites IS NOT NULL)
);
COMMENT ON TABLE model_ability IS
    'What was measured of a model with an adapter. A row decides one of two things, or both; the newest holds.';
COMMENT ON COLUMN model_ability.adapter IS 'null: the model as it comes';
COMMENT ON COLUMN model_ability.answers IS 'whether its own words lead its answers, or quotes do';
COMMENT ON COLUMN model_ability.rewrites IS 'whether it rewrites follow-ups';
COMMENT ON COLUMN model_ability.figures IS 'what was measured, as it is told';
