<?php
// Receives the changes of recipients from a webhook of the kind json.
declare(strict_types=1);

const MAX_AGE = 300; // seconds
const MAX_BODY = 10_000_000;

// Reports whether bouncetail signed this body a short time ago.
function genuine(string $secret, string $header, string $body): bool
{
    $fields = [];
    foreach (explode(',', $header) as $part) {
        [$name, $value] = explode('=', $part, 2) + [1 => ''];
        $fields[$name] = $value;
    }
    $stamp = $fields['t'] ?? '';
    if (!ctype_digit($stamp)) {
        return false;
    }
    $want = hash_hmac('sha256', $stamp . '.' . $body, $secret);
    return hash_equals($want, $fields['v1'] ?? '') && abs(time() - (int) $stamp) <= MAX_AGE;
}

// Replace this. It must succeed if it is called twice for one change: a program
// with a database skips a seq that is not higher than the last one of the address.
function handle(array $change): void
{
    file_put_contents('php://stderr', $change['state'] . ' ' . $change['recipient'] . "\n");
}

$secret = rtrim((string) file_get_contents((string) getenv('SECRET_FILE')), "\r\n");
$body = (string) file_get_contents('php://input', false, null, 0, MAX_BODY + 1);
if ($secret === '') {
    http_response_code(500);
} elseif (strlen($body) > MAX_BODY) {
    http_response_code(413);
} elseif (!genuine($secret, $_SERVER['HTTP_X_BOUNCETAIL_SIGNATURE'] ?? '', $body)) {
    http_response_code(403);
} else {
    foreach (json_decode($body, true, 32, JSON_THROW_ON_ERROR)['recipients'] as $change) {
        handle($change);
    }
    // Answer last: after any other answer bouncetail sends the request again.
    http_response_code(204);
}
