-- uses: trades rates
SELECT t.id, t.amount * r.rate AS yen FROM trades AS t LEFT JOIN versioned_rates FOR SYSTEM_TIME AS OF t.ts AS r ON t.currency = r.currency WHERE t.amount > 20;
