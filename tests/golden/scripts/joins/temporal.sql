-- uses: trades rates
SELECT t.id, t.currency, t.amount * r.rate AS v
FROM trades t JOIN versioned_rates FOR SYSTEM_TIME AS OF t.ts AS r ON t.currency = r.currency;
