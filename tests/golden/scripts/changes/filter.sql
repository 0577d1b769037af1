-- uses: changes
SELECT id, qty
FROM changes
WHERE qty > 4;
