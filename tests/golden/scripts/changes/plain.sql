-- uses: changes
SELECT *
FROM changes;
