-- uses: changes
SELECT a.id, b.id AS other FROM changes a JOIN changes b ON a.qty > b.qty;
