-- Comparisons of arms (the model alone, with documents, with an adapter, with both) over a question set: what came out,
-- as finetune.comparison writes it, and its chart.
CREATE TABLE comparison (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now(),
    questions text NOT NULL,  -- the name of the question set
    model text NOT NULL,
    adapter text,
    report jsonb NOT NULL,
    chart bytea
);
