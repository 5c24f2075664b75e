// The rules in wrangler.toml give these files as texts.
declare module "../console/*" {
  const text: string;
  export default text;
}
