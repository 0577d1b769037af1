-- uses: changes
SELECT name, id, qty
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY name ORDER BY qty DESC) AS place FROM changes)
WHERE place <= 1;
