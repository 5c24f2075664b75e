// The rules in wrangler.toml import these files as text.
declare module "../console/*" {
  const text: string;
  export default text;
}
