// A model client: takes the locks of the real ones through npm proper-lockfile, refreshes once, asks for a message.
// As a tool it is a model of another program, which locks the file that its own login is in, or its directory.
// Prints the answer, never a token.
'use strict';

const fs = require('node:fs');
const https = require('node:https');
const { setTimeout: sleep } = require('node:timers/promises');

const settings = JSON.parse(process.argv[2]);
const lockfile = require(settings.module);

const ATTEMPTS = 6;
const ROUNDS = settings.band === 'old' ? 20 : 4;
const STALE_MS = settings.band === 'new' ? 60_000 : 10_000;

const between = (low, high) => low + Math.random() * (high - low);
const now = () => process.hrtime.bigint();

// proper-lockfile appends `.lock`. The in-dir lock has no file of that name beside it, hence no realpath.
const IN_DIR = { file: `${settings.directory}/.oauth_refresh`, options: { realpath: false } };
const SIBLING = { file: settings.directory, options: {} };
const FILE = { file: settings.credentials, options: {} };
const LOCKS = { old: [SIBLING], new: [IN_DIR, SIBLING], tool: [settings.locked === 'file' ? FILE : SIBLING] }[settings.band];

// Takes all locks or none; answers the function that gives them back, or null if somebody else holds one.
async function acquire(onCompromised) {
  const held = [];
  const release = async () => {
    for (const unlock of held.reverse()) {
      // A lock that was taken from us is not ours to give back.
      await unlock().catch((error) => {
        if (error.code !== 'ERELEASED' && error.code !== 'ENOTACQUIRED') throw error;
      });
    }
  };
  for (const { file, options } of LOCKS) {
    try {
      held.push(await lockfile.lock(file, { stale: STALE_MS, update: 5000, onCompromised, ...options }));
    } catch (error) {
      await release();
      if (error.code === 'ELOCKED') return null;
      throw error;
    }
  }
  return release;
}

function post(host, path, headers, body) {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const request = https.request(
      {
        host,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers },
      },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (part) => (received += part));
        response.on('end', () => resolve({ status: response.statusCode, body: received }));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(text);
  });
}

function read() {
  try {
    const found = JSON.parse(fs.readFileSync(settings.credentials, 'utf8'));
    if (settings.band !== 'tool') return found.claudeAiOauth ?? {};
    const { access_token: accessToken, refresh_token: refreshToken, expires_at } = found;
    return { accessToken, refreshToken, expiresAt: expires_at * 1000 };
  } catch {
    return {}; // Missing, or empty in the middle of somebody's write.
  }
}

const fresh = (login) => Boolean(login.accessToken) && login.expiresAt > Date.now() + 60_000;

function content(login) {
  if (settings.band !== 'tool') return { claudeAiOauth: login };
  const { accessToken, refreshToken, expiresAt } = login;
  return { access_token: accessToken, refresh_token: refreshToken, expires_at: Math.floor(expiresAt / 1000) };
}

function writeInPlace(text) {
  fs.writeFileSync(settings.credentials, text, { mode: 0o600 });
}

function writeByRename(text) {
  const temporary = `${settings.credentials}.${process.pid}.tmp`;
  const file = fs.openSync(temporary, 'w', 0o600);
  fs.writeSync(file, text);
  fs.fsyncSync(file);
  fs.closeSync(file);
  try {
    fs.renameSync(temporary, settings.credentials);
  } catch (error) {
    fs.unlinkSync(temporary);
    if (error.code !== 'EBUSY') throw error; // The credentials are a mount point.
    writeInPlace(text);
  }
}

function write(login) {
  const text = JSON.stringify(content(login));
  if (settings.band === 'old') writeInPlace(text);
  else writeByRename(text);
}

async function refresh() {
  const login = read();
  if (fresh(login)) return;
  const answer = await post('platform.claude.com', '/v1/oauth/token', {}, {
    grant_type: 'refresh_token',
    refresh_token: login.refreshToken,
  });
  if (answer.status !== 200) return;
  const { access_token, refresh_token, expires_in } = JSON.parse(answer.body);
  write({
    ...login,
    accessToken: access_token,
    refreshToken: refresh_token,
    expiresAt: Date.now() + expires_in * 1000,
  });
}

async function round() {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(between(1000, 2000));
    if (fresh(read())) return;
    const release = await acquire(() => {});
    if (!release) continue;
    try {
      await refresh();
    } finally {
      await release();
    }
    return;
  }
}

async function once() {
  for (let number = 0; number < ROUNDS; number++) {
    await round();
    const login = read();
    if (!fresh(login)) continue;
    const answer = await post('api.anthropic.com', '/v1/messages', { authorization: `Bearer ${login.accessToken}` }, {
      model: 'lab-model',
      stream: true,
    });
    if (answer.status === 200 && answer.body.includes(settings.answer)) {
      process.stdout.write(`${settings.answer}\n`);
      return 0;
    }
  }
  return 1;
}

const LOGGED_OUT = '{"mcpOAuth":{}}';

const REMOVALS = {
  rename: () => writeByRename(LOGGED_OUT),
  truncate: () => writeInPlace(LOGGED_OUT),
  unlink: () => {
    try {
      fs.unlinkSync(settings.credentials);
    } catch (error) {
      if (error.code !== 'EBUSY') throw error;
      writeInPlace(LOGGED_OUT);
    }
  },
};

// Logs out when the lab has had its turn.
async function logOut({ how, turn, lab, client }) {
  const release = how.locked ? await acquire(() => {}) : async () => {};
  if (!release) return 1;
  read();
  fs.writeFileSync(turn, lab);
  while (fs.readFileSync(turn, 'utf8') !== client) await sleep(5);
  if (how.reads_again) read();
  REMOVALS[how.removal]();
  await release();
  return 0;
}

async function stress({ name, log, durationMs, holdMs }) {
  const end = Date.now() + durationMs;
  const file = fs.openSync(log, 'a');
  const note = (word) => fs.writeSync(file, `${word} ${name} ${now()}\n`);
  while (Date.now() < end) {
    const release = await acquire(() => note('compromised'));
    if (!release) {
      await sleep(between(5, 50));
      continue;
    }
    note('enter');
    await sleep(between(0, holdMs));
    note('leave');
    await release();
    await sleep(between(0, holdMs)); // Lets another one have its turn.
  }
  return 0;
}

function task() {
  if (settings.stress) return stress(settings.stress);
  return settings.logOut ? logOut(settings.logOut) : once();
}

task().then(
  (code) => (process.exitCode = code),
  (error) => {
    process.stderr.write(`${error.code ?? ''} ${error.message}\n`);
    process.exitCode = 1;
  },
);
