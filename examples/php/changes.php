<?php
// Reads what changed since the last run: changes.php CURSOR FILE
declare(strict_types=1);

// Replace this. It must succeed if it is called twice for one change.
function handle(array $change): void
{
    echo $change['state'], ' ', $change['recipient'], ' ', $change['reason'], "\n";
}

if ($argc !== 3) {
    fwrite(STDERR, "usage: changes.php CURSOR FILE\n");
    exit(2);
}
[, $cursor, $path] = $argv;
// If the file exists, the last run did not finish it.
if (!file_exists($path)) {
    passthru('bouncetail export --format ndjson --state all --cursor ' . escapeshellarg($cursor) . ' -o ' . escapeshellarg($path), $status);
    if ($status !== 0) {
        exit(1);
    }
}
$lines = fopen($path, 'r');
while (($line = fgets($lines)) !== false) {
    handle(json_decode($line, true, 32, JSON_THROW_ON_ERROR));
}
fclose($lines);
unlink($path);
