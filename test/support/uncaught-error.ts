// Loaded into the program before it starts (NODE_OPTIONS=--import): signals cause uncaught errors in it.
process.on("SIGUSR2", () => void Promise.reject(new TypeError(`hush ${Math.random()}`)));
process.on("SIGWINCH", () => {
  setImmediate(() => {
    throw new RangeError("hush");
  });
});
