-- uses: changes
SELECT name FROM changes EXCEPT SELECT name FROM changes WHERE qty > 6;
