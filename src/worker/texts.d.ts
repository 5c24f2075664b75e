// Files that the rules in wrangler.toml import as text.
declare module "../console/*" {
  const text: string;
  export default text;
}
