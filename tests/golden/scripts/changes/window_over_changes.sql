-- uses: changes
SELECT name, COUNT(*), SUM(qty), MIN(qty), AVG(qty) FROM changes GROUP BY ROLLUP (name);
