/*
 * A small IoT agent over the npm package iotagent-node-lib, for Ossicle's tests and for trying FIWARE on one machine.
 * The library is used as it is; this file is the part that every agent writes for itself, the side towards devices:
 *
 *   POST /iot/json?k=KEY&i=DEVICE            {"l": "yes", "s": 0.97}    a measure, by object ids
 *   to the device's endpoint, when commanded {"threshold": 0.7}         its answer becomes NAME_status and NAME_info
 *
 *   CB=http://127.0.0.1:1026 NORTH_PORT=4041 SOUTH_PORT=7896 NODE_PATH=.../node_modules node agent.js
 */
'use strict';

const http = require('http');
const agent = require('iotagent-node-lib');

const broker = new URL(process.env.CB);
const HOST = '127.0.0.1';
const PENDING_MS = 2000; // the library writes PENDING after a command was handed over; the outcome comes after it
const ANSWER_MS = 20000;

const configuration = {
    logLevel: 'FATAL',
    contextBroker: { host: broker.hostname, port: broker.port, ngsiVersion: 'v2' },
    server: { host: HOST, port: Number(process.env.NORTH_PORT) },
    deviceRegistry: { type: 'memory' },
    types: {},
    service: 'ossicle',
    subservice: '/',
    providerUrl: `http://${HOST}:${process.env.NORTH_PORT}/v2`,
    deviceRegistrationDuration: 'P1Y',
    defaultType: 'Thing',
    defaultResource: '/iot/json'
};

/** Wait for a function that takes a callback last. */
function wait(call, ...given) {
    return new Promise((resolve, reject) => {
        call(...given, (error, result) => (error ? reject(error) : resolve(result)));
    });
}

/** Post JSON; resolves to the status and the body, null where it is none. */
function post(address, body) {
    return new Promise((resolve, reject) => {
        const options = { method: 'POST', headers: { 'content-type': 'application/json' }, timeout: ANSWER_MS };
        const request = http.request(address, options, (answer) => {
            let text = '';
            answer.on('data', (part) => (text += part));
            answer.on('end', () => {
                let said = null;
                try {
                    said = JSON.parse(text);
                } catch (error) {
                    /* no JSON: only the status counts */
                }
                resolve({ status: answer.statusCode, body: said });
            });
        });
        request.on('timeout', () => request.destroy(new Error('no answer')));
        request.on('error', reject);
        request.end(JSON.stringify(body));
    });
}

/** Wait until the broker holds PENDING for a command, so that its outcome is written after it. */
async function pending(device, name) {
    const status = `${name}_status`;
    for (const end = Date.now() + PENDING_MS; Date.now() < end; ) {
        try {
            const found = await wait(agent.query, device.name, device.type, device.apikey, [status], device);
            if (found[status] && found[status].value === 'PENDING') {
                return;
            }
        } catch (error) {
            /* the entity has no such attribute yet */
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
    }
}

/** A broker refuses these characters. */
function clean(text) {
    return String(text).replace(/[<>"'=;()]/g, ' ');
}

/** Hand one command to the device and write what came of it. */
async function deliver(device, command) {
    let status = 'ERROR';
    let info = '';
    try {
        const answer = await post(device.endpoint, { [command.name]: command.value });
        status = answer.status === 200 ? 'OK' : 'ERROR';
        info = answer.body && answer.body[command.name] !== undefined ? answer.body[command.name] : answer.status;
    } catch (error) {
        info = error.message;
    }
    await pending(device, command.name);
    const { name, apikey } = device;
    await wait(
        agent.setCommandResult, name, configuration.defaultResource, apikey, command.name, clean(info), status, device
    );
}

function commanded(id, type, service, subservice, commands, callback) {
    agent.getDeviceByNameAndType(id, type, service, subservice, (error, device) => {
        if (!error) {
            commands.forEach((command) => deliver(device, command).catch(() => {}));
        }
        callback(error);
    });
}

/** A measure of a device: object ids become attributes as the device or its service was provisioned. */
async function measured(key, id, values) {
    const device = await wait(agent.retrieveDevice, id, key);
    const kinds = new Map((device.active || []).map((row) => [row.object_id, row.type]));
    const rows = Object.entries(values).map(([name, value]) => ({ name, value, type: kinds.get(name) || 'Text' }));
    await wait(agent.update, device.name, device.type, device.apikey, rows, device);
}

const south = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', async () => {
        try {
            if (pathname !== configuration.defaultResource) {
                throw new Error('nothing is here');
            }
            await measured(searchParams.get('k'), searchParams.get('i'), JSON.parse(text));
            response.writeHead(200).end('{}');
        } catch (error) {
            const code = Number(error.code);
            response.writeHead(code >= 400 && code < 600 ? code : 400).end(JSON.stringify({ error: error.message }));
        }
    });
});

agent.activate(configuration, (error) => {
    if (error) {
        throw error;
    }
    agent.setCommandHandler(commanded);
    south.listen(Number(process.env.SOUTH_PORT), HOST);
});
