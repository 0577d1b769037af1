-- uses: trades rates
SELECT t.id, t.currency, r.rate
FROM trades t LEFT JOIN versioned_rates FOR SYSTEM_TIME AS OF t.ts AS r ON t.currency = r.currency;
