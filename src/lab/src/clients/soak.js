// A model client for the soak: takes and gives back the locks for as long as it is let, and says all that it does in a
// log that it shares with the others, one line by one write each. What that is worth is judged elsewhere.
//
// A line is `WORD NAME NANOSECONDS [NUMBER...]`, the time being the machine's monotonic one:
//   ask, got, left      before the lock is asked for, after it was got, before it is given back
//   fail                somebody else has it, or an error (then `error NAME NS CODE` comes before)
//   beat SKEW           the lock was touched; the time is one before that, SKEW what the clock was wrong by, in ms
//   robs AGE, spares    before it removes a lock that it calls stale at AGE ms; after that was refused
//   lost                it was told that its lock is not its own any more
//   jump SKEW           its clock is wrong from now on
//   writes GENERATION   it has read the credentials, and is about to write the next generation
//   full, exhausted     a write of the credentials failed for want of room; it had no descriptor to spare
//   torn                the credentials were no whole JSON while it held the lock
//   peace FDS MAPPINGS  at the end: descriptors more than after its first cycle, mappings of the library's locks
// Never a token: generations are all that its credentials differ by.
'use strict';

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const settings = JSON.parse(process.argv[2]);
const lockfile = require(settings.module);

const HEARTBEAT_MS = 1_000;
// No client with the library calls a lock stale that was touched so recently, whatever its clock says.
const SMALLEST_THRESHOLD_MS = 2_000;
const HOUR_MS = 3_600_000;
// In the end everybody takes the lock once more; by then even a lock whose owner nobody knows is stale.
const LAST_TRIES_MS = 90_000;
const NO_ROOM = ['ENOSPC', 'EDQUOT'];

const between = (low, high) => low + Math.random() * (high - low);
const oneIn = (count) => Math.random() * count < 1;

const log = fs.openSync(settings.log, 'a');
const now = () => process.hrtime.bigint() - BigInt(settings.clockOffsetNs);
const note = (word, ...rest) => noteAt(now(), word, ...rest);
const noteAt = (time, word, ...rest) => fs.writeSync(log, `${[word, settings.name, time, ...rest].join(' ')}\n`);

// A clock that can be wrong: Date.now, by which proper-lockfile judges and dates locks.
let skew = 0;
const rightNow = Date.now;
Date.now = () => rightNow() + skew;

function jump() {
  skew = oneIn(3) ? 0 : Math.round(between(-5, 5) * HOUR_MS);
  note('jump', skew);
}

// proper-lockfile is given these in place of fs's, so that what it does to a lock can be told.
let taking = false;
const watched = {
  ...fs,
  utimes: (path, accessed, modified, done) => {
    const time = now();
    fs.utimes(path, accessed, modified, (error) => {
      if (!error) noteAt(time, 'beat', skew);
      done(error);
    });
  },
  rmdir: (path, done) => {
    if (!taking) return fs.rmdir(path, done);
    note('robs', skew > 0 ? Math.min(settings.staleMs, SMALLEST_THRESHOLD_MS) : settings.staleMs);
    return fs.rmdir(path, (error) => {
      if (error) note('spares');
      done(error);
    });
  },
};

// proper-lockfile appends `.lock`. The in-dir lock has no file of that name beside it, hence no realpath.
const IN_DIR = { file: `${settings.directory}/.oauth_refresh`, options: { realpath: false } };
const SIBLING = { file: settings.directory, options: {} };
const LOCKS = { old: [SIBLING], new: [IN_DIR, SIBLING] }[settings.band];

// Takes all locks or none; answers what gives them back, or null.
async function acquire(onCompromised) {
  const held = [];
  const release = async () => {
    taking = false;
    for (const unlock of held.reverse()) {
      // A lock that was taken from us is not ours to give back.
      await unlock().catch((error) => {
        if (error.code !== 'ERELEASED' && error.code !== 'ENOTACQUIRED') note('error', error.code);
      });
    }
  };
  note('ask');
  taking = true;
  try {
    for (const { file, options } of LOCKS) {
      const { staleMs: stale } = settings;
      held.push(await lockfile.lock(file, { stale, update: HEARTBEAT_MS, onCompromised, fs: watched, ...options }));
    }
  } catch (error) {
    if (error.code !== 'ELOCKED') note('error', error.code);
    await release();
    note('fail');
    return null;
  }
  taking = false;
  return release;
}

// The generation that the credentials have, by their refresh token; NaN if they are not whole.
function generation() {
  try {
    return Number(JSON.parse(fs.readFileSync(settings.credentials, 'utf8')).claudeAiOauth.refreshToken.split('-').pop());
  } catch (error) {
    return NaN;
  }
}

// As clients before 2.1.113 write, and as later ones do.
function write(text) {
  if (settings.band === 'old') return fs.writeFileSync(settings.credentials, text, { mode: 0o600 });
  const temporary = `${settings.credentials}.${settings.name}.tmp`;
  try {
    fs.writeFileSync(temporary, text, { mode: 0o600 });
    return fs.renameSync(temporary, settings.credentials);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    if (error.code !== 'EBUSY') throw error;
    return fs.writeFileSync(settings.credentials, text, { mode: 0o600 }); // A mount point, and no library.
  }
}

function refresh() {
  const present = generation();
  if (Number.isNaN(present)) return note('torn');
  const next = present + 1;
  note('writes', next);
  const claudeAiOauth = { accessToken: `lab-a-${next}`, refreshToken: `lab-r-${next}`, expiresAt: settings.expires + next };
  try {
    return write(JSON.stringify({ claudeAiOauth }));
  } catch (error) {
    if (!NO_ROOM.includes(error.code)) throw error;
    return note('full');
  }
}

function holdMs() {
  if (oneIn(200)) return between(4_000, 7_000);
  return oneIn(20) ? between(500, 1_500) : between(1, 60);
}

// All descriptors that there are; answers what closes them again.
function exhaust() {
  const taken = [];
  try {
    for (;;) taken.push(fs.openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  note('exhausted');
  return () => taken.forEach((descriptor) => fs.closeSync(descriptor));
}

async function cycle({ exhausted }) {
  const free = exhausted ? exhaust() : () => {};
  let lost = false;
  const release = await acquire(() => {
    if (!lost) note('lost');
    lost = true;
  });
  if (!release) {
    free();
    return false;
  }
  // Compromised before it was told that it has the lock: it never had it.
  if (!lost) note('got');
  if (!lost && !exhausted) refresh();
  await sleep(exhausted ? between(1, 60) : holdMs());
  free();
  if (!lost) note('left');
  lost = true;
  await release();
  return true;
}

const descriptors = () => fs.readdirSync('/proc/self/fd').length;
const mappings = () => fs.readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => /\/\.lockspan\/|credentials/.test(line)).length;

let over = settings.last;
process.on('SIGTERM', () => (over = true));

async function main() {
  generation(); // As every client does, to see whether its token has expired.
  let before = null;
  while (!over) {
    const held = await cycle({ exhausted: oneIn(before === null ? 10 : 60) });
    if (held && before === null) before = descriptors();
    await sleep(held ? between(0, 4_000) : between(20, 400));
    if (settings.jumps && oneIn(30)) jump();
  }
  skew = 0;
  const deadline = rightNow() + LAST_TRIES_MS;
  while (!(await cycle({ exhausted: false }))) {
    if (rightNow() > deadline) throw new Error('the lock was not to be had in the end');
    await sleep(between(20, 400));
  }
  note('peace', descriptors() - (before ?? descriptors()), mappings());
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.code ?? ''} ${error.message}\n`);
    process.exit(1);
  },
);
