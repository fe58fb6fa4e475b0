-- What a calibration's weights are of, so that one which was fitted to other marks is not misread. Those that are there
-- were fitted to three marks that are no longer gone by: the default holds until the next `journeyman calibrate`.
ALTER TABLE calibration ADD COLUMN marks text[] NOT NULL DEFAULT '{passage,sentence,together}';
ALTER TABLE calibration ALTER COLUMN marks DROP DEFAULT;
UPDATE calibration SET taken_back_at = now() WHERE taken_back_at IS NULL;
