// SPDX-License-Identifier: Apache-2.0
// A web server in Node.js: ports 80 and, with TLS, 443 of 127.0.0.1. Arguments: DIRECTORY
// CERTIFICATE KEY.
'use strict';
const fs = require('fs');
const [directory, certificate, key] = process.argv.slice(2);
const files = {};

for (const name of fs.readdirSync(directory))
	files['/' + name] = fs.readFileSync(`${directory}/${name}`);

async function events(response) {
	const event = 'data: ' + 'x'.repeat(100) + '\n\n';

	response.writeHead(200, { 'Content-Type': 'text/event-stream' });
	for (let i = 0; i < 20000; i++)
		if (!response.write(event))
			await new Promise((done) => response.once('drain', done));
	response.end();
}

function serve(request, response) {
	if (request.url === '/two') {
		response.write('x'.repeat(500));
		response.end('y'.repeat(500));
	} else if (request.url === '/stream') {
		fs.createReadStream(`${directory}/150M`).pipe(response);
	} else if (request.url === '/events') {
		events(response);
	} else if (request.url === '/sink') {
		request.on('end', () => response.end()).resume();
	} else if (files[request.url]) {
		response.end(files[request.url]);
	} else {
		response.writeHead(404).end();
	}
}

require('http').createServer(serve).listen(80, '127.0.0.1');
require('https').createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, serve)
	.listen(443, '127.0.0.1');
