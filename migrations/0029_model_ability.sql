-- What was measured of a model with an adapter (null: as it comes): whether its own words lead its answers, and whether it
-- rewrites follow-ups. A row decides one of them, or both; the newest that was not taken back holds.
CREATE TABLE model_ability (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text NOT NULL,
    adapter       text,
    answers       text CHECK (answers IN ('model', 'quotes')),
    rewrites      boolean,
    figures       jsonb NOT NULL,   -- what was measured, as it is told
    measured_at   timestamptz NOT NULL DEFAULT now(),
    taken_back_at timestamptz,
    CHECK (answers IS NOT NULL OR rewrites IS NOT NULL)
);
