# Takes locks and begins to write credentials before a program of perl's: PERL5OPT=-MHold.
# What is open stays open, so that every close is looked at while the program runs. Only the first process holds.
package Hold;

my $home = $ENV{HOME};
if (mkdir("$home/.claude.lock") && mkdir("$home/.tool.lock")) {
    open(our $credentials, '>', "$home/.claude/.credentials.json") or die "credentials: $!";
    syswrite($credentials, '{"claudeAiOauth":');
    open(our $lock, '>', "$home/.tool/locked.json.lock") or die "lock: $!";
    flock($lock, 2) or die "flock: $!";
}
$! = 0;

1;
