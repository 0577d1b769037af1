-- uses: changes
SELECT id, qty, place
FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY qty DESC) AS place FROM changes WHERE qty IS NOT NULL)
WHERE place <= 2;
