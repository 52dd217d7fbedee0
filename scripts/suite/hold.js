// Takes locks and begins to write credentials before a program of Node's: node --require hold.js PROGRAM.
// What is open stays open, so that every close is looked at while the program runs.
'use strict';
const fs = require('fs');
const home = process.env.HOME;

try {
  fs.mkdirSync(`${home}/.claude.lock`);
  fs.mkdirSync(`${home}/.tool.lock`);
  fs.writeSync(fs.openSync(`${home}/.claude/.credentials.json`, 'w'), '{"claudeAiOauth":');
} catch (error) {
  // A child of the program, which was told the same: its parent holds the locks.
  if (error.code !== 'EEXIST') throw error;
}
